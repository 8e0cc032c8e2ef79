/**
 * The words that families are made of. Owns vocabularies; every list holds distinct, lower-case, unambiguous words.
 *
 * Invariants (checked in test/method/families.test.ts):
 * 1. No word stands in two categories, nor belongs in another one by what it means besides (a peach is a fruit and a color): an odd one out must be odd
 *    beyond doubt.
 * 2. Words are plain a-z, so that sorting by code unit is sorting alphabetically on every machine.
 */

export interface WordCategory {
  /** As it stands in a sentence: "is a fruit", "is a piece of furniture". */
  readonly one: string;
  /** "three of them are fruits". */
  readonly many: string;
  readonly words: readonly string[];
}

const list = (words: string): readonly string[] => words.trim().split(/\s+/);

export const wordCategories: readonly WordCategory[] = [
  {
    one: 'an animal',
    many: 'animals',
    words: list('dog cat horse cow sheep goat rabbit tiger lion wolf deer monkey elephant zebra giraffe mouse'),
  },
  {
    one: 'a fruit',
    many: 'fruits',
    words: list(
      'apple banana pear grape grapefruit mango nectarine guava blueberry watermelon strawberry pineapple pomegranate papaya blackberry coconut',
    ),
  },
  {
    one: 'a piece of clothing',
    many: 'pieces of clothing',
    words: list('shirt jacket sock shoe hat scarf glove dress skirt coat belt sweater boot trousers vest apron'),
  },
  {
    one: 'a tool',
    many: 'tools',
    words: list(
      'hammer saw drill wrench pliers screwdriver chisel shovel rake axe crowbar spade clamp sander pickaxe trowel',
    ),
  },
  {
    one: 'a vehicle',
    many: 'vehicles',
    words: list(
      'car bus truck train bicycle tram ship boat airplane helicopter motorcycle scooter taxi van tractor ferry',
    ),
  },
  {
    one: 'a piece of furniture',
    many: 'pieces of furniture',
    words: list(
      'chair table sofa bed desk shelf cupboard wardrobe stool bench dresser bookcase armchair couch cabinet nightstand',
    ),
  },
  {
    one: 'a musical instrument',
    many: 'musical instruments',
    words: list(
      'piano violin guitar flute drum trumpet cello harp clarinet trombone saxophone banjo oboe accordion harmonica tuba',
    ),
  },
  {
    one: 'a color',
    many: 'colors',
    words: list(
      'red blue green yellow purple brown black white pink gray turquoise beige maroon crimson indigo magenta',
    ),
  },
  {
    one: 'a part of the body',
    many: 'parts of the body',
    words: list('hand foot arm leg nose ear eye mouth knee elbow shoulder finger thumb neck ankle wrist'),
  },
  {
    one: 'a job',
    many: 'jobs',
    words: list(
      'teacher doctor nurse farmer baker pilot lawyer dentist plumber carpenter waiter barber painter sailor librarian tailor',
    ),
  },
];

/** Common words of many endings and beginnings, none of them in a category above. */
export const plainWords: readonly string[] = list(`
  about above across action afternoon again agree album always among anchor angle answer april arrow artist august
  autumn avenue bacon bag ball barrel basket beach bell beyond bitter blanket bottle bridge bright bucket build butter
  button cactus calm camera candle canyon carbon carpet castle cave center chalk chance cheap circle city class clever
  cliff clock cloud coast coffee coin copper corner cotton cousin crisp crowd cup curtain dance danger dawn december deep
  desert dinner direct dollar door dream dust eager early east echo edge effort eight empty engine enough envelope
  equal estimate evening exact example fabric fair family famous feather fence field flag flame flour flower fog forest
  fossil fresh friend frog frost garden gas gentle ghost giant glass glue gold grass gravel guess guitarist half hammock
  harbor harvest heavy hidden hill honest honey hotel hundred ice idea inch index invent iron island ivory january jar
  jelly jewel journal juice jump junior keep kettle kind kingdom kiss kitchen kite ladder lake lamp laugh lawn leaf
  lesson letter level liquid listen local lucky lunch magnet map market marsh meadow method middle mild minute mirror
  moment moon mountain music napkin narrow nature needle nest night noble north notebook number oak ocean october often
  olive onion open orbit order oven owl oxygen pack page palace panel paper parcel park path pencil pepper picnic pillow
  planet plate pocket poem pond potato pretty prize pulp puzzle quarter quick quiet quilt radio rain rapid ready region
  ribbon rich river road rocket roof rope rough round salt sand school season seed seven shadow sharp shell silver simple
  sketch sleep slow smooth snow soap soft song south spark spring square stair star steam stone storm story strong sugar
  summit sun swamp swift symbol tall tent thick thin thread thunder ticket tiny toast topaz total tower town travel tree
  trophy tunnel twelve umbrella uncle under unique valley vapor velvet village voice volcano walk wall warm watch water
  wave wax weather west wheat wheel whisper wide wind window winter wise wood world yarn yellowish yogurt young zero
  zinc zone
`);

/** Things to count in a list: concrete, short, each from one category only. */
export const countableWords: readonly string[] = wordCategories
  .filter((category) => !['a color', 'a part of the body', 'a job', 'an animal'].includes(category.one))
  .flatMap((category) => category.words.slice(0, 10));

/** First names for stories. */
export const names: readonly string[] = list(
  'Ada Ben Clara David Elena Farid Grace Hugo Ines Jonas Kira Leo Mina Noah Olga Pavel Rosa Samir Tara Victor',
);
