/** The style sheet that the project's pages share: the report, and the page of `arte ui`. Light or dark as the reader's system says. */

/** Colours were checked for contrast and for the common kinds of colour blindness, on both grounds. */
export const pageStyle = `
:root { color-scheme: light dark; --page: #f9f9f7; --card: #ffffff; --ink: #16150f; --soft: #5d5c56; --line: #e3e2dc; --link: #1c5cab;
  --aligned: #2a78d6; --untuned: #8a8983; --arm-1: #eb6834; --arm-2: #1baf7a; --arm-3: #7a5bd0; --arm-4: #d9a400;
  --malformed: #eda100; --refused: #7a5bd0; --truncated: #1baf7a; --failed: #d03b3b; }
@media (prefers-color-scheme: dark) { :root { --page: #0f0f0e; --card: #1a1a19; --ink: #f3f2ec; --soft: #b5b4ac; --line: #34342f; --link: #86b6ef;
  --aligned: #3987e5; --untuned: #8f8e87; --arm-1: #e0703f; --arm-2: #1f9e72; --arm-3: #9c84e6; --arm-4: #c99a12;
  --malformed: #c98500; --refused: #9c84e6; --truncated: #1f9e72; --failed: #e66767; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main, footer { max-width: 960px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
h1 { margin: 0; font-size: 28px; line-height: 1.2; overflow-wrap: anywhere; }
header p, footer p { margin: 4px 0 12px; color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 20px; padding: 0; list-style: none; }
a { color: var(--link); text-underline-offset: 3px; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 12px; padding: 6px 12px; background: var(--card); }
section { margin: 0 0 20px; padding: 18px 22px 22px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; scroll-margin-top: 12px; }
h2 { margin: 0 0 12px; font-size: 19px; }
h3 { margin: 0 0 8px; font-size: 15px; }
h4 { display: flex; justify-content: space-between; margin: 0 0 6px; font-size: 13px; }
h4 span { color: var(--soft); font-weight: 400; }
.standing { margin: 0 0 20px; padding: 12px 16px; background: var(--card); border: 2px solid var(--link); border-radius: 10px; }
.verdict p { margin: 0 0 8px; }
.verdict p:last-child { margin-bottom: 0; }
.notes ul { margin: 0; padding-left: 20px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0 0 20px; }
.tiles div { display: flex; flex-direction: column-reverse; justify-content: flex-end; padding: 14px 16px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tiles dd { margin: 0; font-size: 20px; font-weight: 600; white-space: nowrap; }
.tiles dt { color: var(--soft); font-size: 13px; line-height: 1.35; }
figure { margin: 0 0 22px; overflow-x: auto; }
figcaption, caption { padding: 0 0 8px; font-weight: 600; font-size: 14px; text-align: left; }
.plot { display: block; width: 100%; min-width: 560px; height: auto; font-size: 12px; }
.plot text { fill: var(--ink); }
.plot .muted { fill: var(--soft); }
.grid { stroke: var(--line); }
.axis { stroke: var(--soft); }
.whisker { stroke-width: 2.5; stroke-linecap: round; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.level { stroke-width: 1.5; stroke-dasharray: 5 5; opacity: .8; }
.ring { stroke: var(--card); stroke-width: 2; }
.hollow { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
${['arm-1', 'arm-2', 'arm-3', 'arm-4'].map((name) => `.fill.${name} { fill: var(--${name}); } .whisker.${name}, .curve.${name}, .level.${name} { stroke: var(--${name}); }`).join('\n')}
${['aligned', 'untuned'].map((name) => `.fill.arm-${name} { fill: var(--${name}); } .whisker.arm-${name}, .curve.arm-${name}, .level.arm-${name} { stroke: var(--${name}); }`).join('\n')}
.fill.outcome-ok { fill: var(--aligned); }
${['malformed', 'refused', 'truncated', 'failed'].map((name) => `.fill.outcome-${name} { fill: var(--${name}); }`).join('\n')}
.frame { overflow-x: auto; margin: 0 0 18px; }
.frame:last-child, figure:last-child, .pair:last-child { margin-bottom: 0; }
table { width: 100%; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
tbody th, td { white-space: nowrap; }
td:last-child, td.text { white-space: normal; }
td.text { min-width: 10em; }
tbody th { font-weight: 400; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.number { text-align: right; }
code, pre { font: 12px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.pair { margin: 0 0 20px; }
.pair h3 code { color: var(--soft); font-weight: 400; }
details { margin: 0 0 8px; }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
details pre { margin-top: 6px; padding: 10px 12px; background: var(--page); border-radius: 6px; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 12px; }
.side { padding: 10px 12px; border: 1px solid var(--line); border-left: 4px solid var(--aligned); border-radius: 6px; }
.side.rejected { border-left-color: var(--untuned); }
.legend { margin: -10px 0 18px; color: var(--soft); font-size: 13px; }
.legend div { display: flex; gap: 6px; }
.legend dt { flex: none; font-weight: 600; }
.legend dt::after { content: ':'; }
.legend dd { margin: 0; }
footer { padding-bottom: 32px; font-size: 13px; }
@media print { nav, .skip { display: none; } section { break-inside: avoid; } }
`;
