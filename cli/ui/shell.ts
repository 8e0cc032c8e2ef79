/** The empty page: a frame without data, which the script fills, and the style sheet. What anybody may load who reaches the server. */
import { pageStyle } from '../report/page/page-style';
import { orderTemplates } from './order-forms';

/** Of every answer: nothing from elsewhere, nothing inline, in no frame of another page. */
export const shellPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Of a report, whose style stands in it and which has no script. */
export const reportPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-same-origin";

export function shell(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<title>arte</title>
<script type="module" src="/app.js"></script>
</head>
<body>
<a class="skip" href="#main" data-skip>Skip to the content</a>
<header class="bar"><nav aria-label="Pages"><ul><li><a href="#/">All runs</a></li></ul></nav><p id="live" data-live="waiting"><span class="dot" aria-hidden="true"></span><span id="live-words">connecting</span> <button type="button" id="hold" aria-pressed="false">Hold still</button></p></header>
<div id="answer" role="status"></div>
<main id="main" tabindex="-1" aria-busy="true"><h1>arte</h1><p>Loading.</p><noscript><p>This page needs JavaScript: it is filled by a script of its own.</p></noscript></main>
<p id="said" class="unseen" role="status" aria-live="polite"></p>
<div id="problem" role="alert"></div>
<dialog id="dialog" aria-labelledby="dialog-title"><form id="dialog-form" autocomplete="off"></form></dialog>
${orderTemplates()}
</body>
</html>
`;
}

export const shellStyle = `${pageStyle}
:root { --running: #1c5cab; --waits: #8a5a00; --good: #17703f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --running: #86b6ef; --waits: #f0b84a; --good: #6fd39b; --bad: #f08a80; } }
header, main, footer { max-width: 1200px; }
header.bar { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 4px 18px; padding-top: 16px; }
.bar nav ul { margin: 0; }
.bar p { margin: 0; font-size: 13px; }
h1 { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; margin: 8px 0 4px; }
#hold { padding: 1px 8px; font-size: 12px; margin-left: 8px; }
#hold[aria-pressed="true"] { background: var(--ink); color: var(--card); }
#answer:not(:empty) { max-width: 1160px; margin: 8px auto; padding: 10px 16px; background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--good); border-radius: 8px; overflow-wrap: anywhere; }
#answer p { margin: 0; }
main:focus, h1:focus { outline: none; }
.facts { margin: 0 0 14px; color: var(--soft); }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.dot { display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 50%; background: var(--soft); }
[data-live="yes"] .dot { background: var(--good); }
[data-live="no"] .dot { background: var(--bad); }
.badge { display: inline-block; padding: 1px 9px; border: 1.5px solid currentColor; border-radius: 999px; font-size: 13px; font-weight: 600; white-space: nowrap; color: var(--soft); }
.badge.running { color: var(--running); }
.badge.done { color: var(--good); }
.badge.failed { color: var(--bad); }
.badge.paused, .badge.needs_approval, .badge.needs_attention, .badge.cancelled { color: var(--waits); }
.notice, #problem:not(:empty) { margin: 0 0 16px; padding: 12px 16px; background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--waits); border-radius: 8px; overflow-wrap: anywhere; }
#problem:not(:empty) { max-width: 1160px; margin: 0 auto 16px; border-left-color: var(--bad); }
.notice p, #problem p { margin: 0 0 4px; }
.trouble { color: var(--waits); overflow-wrap: anywhere; }
.legend { margin-top: 0; }
.orders { display: flex; flex-wrap: wrap; gap: 8px; margin: 0 0 20px; }
button { padding: 6px 14px; border: 1px solid var(--soft); border-radius: 7px; background: var(--card); color: var(--ink); font: inherit; cursor: pointer; }
button.fits { border: 2px solid var(--link); padding: 5px 13px; font-weight: 600; }
button:disabled { opacity: .55; cursor: progress; }
input, textarea { padding: 5px 9px; border: 1px solid var(--soft); border-radius: 7px; background: var(--page); color: var(--ink); font: inherit; max-width: 100%; }
input[type="checkbox"] { width: 18px; height: 18px; accent-color: var(--link); }
.plots figure { max-width: 860px; }
progress { width: 140px; height: 10px; vertical-align: middle; accent-color: var(--aligned); }
.live { margin: 0 0 14px; }
.live:last-child { margin-bottom: 0; }
.live h3, .live p { margin: 0 0 4px; }
.live progress { width: min(320px, 100%); margin-right: 8px; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); }
.tiles dd { white-space: normal; overflow-wrap: anywhere; }
time span { white-space: nowrap; }
.runs td, .runs tbody th { vertical-align: middle; }
.runs progress { width: 90px; }
.inline label { margin-right: 6px; }
.inline input { margin-right: 12px; }
.inline p, .links { margin: 0 0 8px; }
.links { columns: 3 220px; padding-left: 18px; font-size: 13px; }
.hint { color: var(--soft); font-size: 13px; }
.fields { display: grid; grid-template-columns: minmax(70px, max-content) 1fr; gap: 4px 16px; margin: 0; }
.fields dt { grid-column: 1; color: var(--soft); font-size: 13px; }
.fields dd { grid-column: 2; margin: 0; min-width: 0; }
dialog { width: min(560px, calc(100vw - 32px)); padding: 20px 22px; border: 1px solid var(--line); border-radius: 12px; background: var(--card); color: var(--ink); }
dialog::backdrop { background: rgb(0 0 0 / .5); }
dialog h2 { overflow-wrap: anywhere; }
dialog label { display: block; font-weight: 600; font-size: 14px; }
dialog label.check { display: flex; align-items: center; gap: 8px; font-weight: 400; }
dialog input:not([type="checkbox"]), dialog textarea { width: 100%; }
dialog .hint { display: block; }
dialog .orders { margin: 14px 0 0; }
dialog pre { max-height: 220px; overflow: auto; }
[data-answer]:not(:empty) { margin: 12px 0 0; padding: 10px 14px; border: 1px solid var(--line); border-left: 4px solid var(--good); border-radius: 8px; overflow-wrap: anywhere; }
[data-answer].refused { border-left-color: var(--bad); }
[data-answer] p { margin: 0 0 4px; }
@media (max-width: 640px) { header, main { padding: 0 12px; } section { padding: 14px 12px 16px; } .fields { grid-template-columns: 1fr; } .fields dt, .fields dd { grid-column: 1; } }
`;
