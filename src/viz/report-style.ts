/**
 * @file The report's look, and the few lines of script behind its read-outs. The page is complete without the script.
 */

/** Series colours keep a contrast of 3:1 against the page and differ for colour-blind readers, in light and in dark. */
export const STYLE = `
:root{color-scheme:light dark;--page:#fcfcfb;--card:#fff;--text:#1c1e21;--muted:#646a73;--rule:#e4e5e7;
--alarm:#b3261e;--alarm-page:#fdf1ef;
--c1:#2667b8;--c2:#c2570c;--c3:#14805e;--c4:#a03a8c;--c5:#8a6d00;--c6:#55606e}
@media(prefers-color-scheme:dark){:root{--page:#141618;--card:#1b1e21;--text:#e7e9ec;--muted:#9aa2ac;--rule:#2e3338;
--alarm:#ff8a80;--alarm-page:#2c1c1b;
--c1:#6ea8f7;--c2:#f59a55;--c3:#4cc79c;--c4:#e08fd0;--c5:#d9bd4a;--c6:#a9b4c2}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:1120px;margin:0 auto;padding:56px 24px 72px}
h1{font-size:32px;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:0}
h2{font-size:21px;line-height:1.3;font-weight:650;letter-spacing:-.01em;margin:0}
h3{font-size:15px;line-height:1.4;font-weight:600;margin:0}
p{margin:6px 0 0;max-width:72ch;text-wrap:pretty}
.muted-text,h2+p,figcaption p{color:var(--muted)}
section{margin-top:56px}
.facts{width:100%;margin-top:32px;border-top:1px solid var(--rule);display:grid;
  grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));column-gap:48px;font-size:14px}
.facts div{display:flex;gap:16px;padding:7px 0;border-bottom:1px solid var(--rule)}
.facts dt{color:var(--muted);flex:0 0 40%}
.facts dd{margin:0;font-variant-numeric:tabular-nums}
.warnings{margin:28px 0 0;padding:12px 18px;list-style:none;border-left:3px solid var(--alarm);
  background:var(--alarm-page);border-radius:0 6px 6px 0}
.warnings li+li{margin-top:6px}
.charts{margin-top:20px;display:grid;gap:20px;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr))}
figure{margin:0;min-width:0}
.charts figure{position:relative;padding:16px 18px 12px;background:var(--card);border:1px solid var(--rule);
  border-radius:8px;display:flex;flex-direction:column}
.charts figcaption{margin-bottom:10px}
.charts figcaption p{font-size:13.5px;line-height:1.45}
.charts .wide{grid-column:1/-1}
.chart{display:block;width:100%;height:auto;margin-top:auto;overflow:visible;font-size:12px;
  font-variant-numeric:tabular-nums}
.narrow-only{display:none}
@media(max-width:760px){.wide-only{display:none}.narrow-only{display:block}}
.chart text{fill:var(--text)}.chart .muted{fill:var(--muted)}.chart .alarm{fill:var(--alarm)}
.chart .strong{font-weight:600}.chart .end{text-anchor:end}.chart .middle{text-anchor:middle}
.chart path{fill:none;stroke-linecap:round;stroke-linejoin:round}
.chart .grid{stroke:var(--rule);stroke-width:1}.chart .axis{stroke:var(--muted);stroke-width:1;opacity:.6}
.chart .threshold{stroke:var(--alarm);stroke-width:1.2;stroke-dasharray:5 4;stroke-linecap:butt}
.chart .line{stroke-width:2}.chart .dot{stroke-width:6}.chart .raw{stroke-width:1;opacity:.28}
.chart .c1{color:var(--c1)}.chart .c2{color:var(--c2)}.chart .c3{color:var(--c3)}.chart .c4{color:var(--c4)}
.chart .c5{color:var(--c5)}.chart .c6{color:var(--c6)}
.chart .line,.chart .dot,.chart .raw{stroke:currentColor}.chart .band{fill:currentColor;opacity:.14}
.chart .cursor{stroke:var(--muted);stroke-width:1}
.readout{position:absolute;left:18px;right:18px;bottom:100%;margin-bottom:-8px;pointer-events:none;display:flex;
  justify-content:center}
.readout span{padding:3px 10px;background:var(--text);color:var(--page);border-radius:5px;font-size:12.5px;
  font-variant-numeric:tabular-nums}
.row{margin-top:22px}
.cells{display:grid;gap:8px;grid-template-columns:repeat(var(--cells),minmax(0,1fr));max-width:calc(var(--cells)*360px)}
.cells img{display:block;width:100%;height:auto;border-radius:4px;background:var(--rule)}
.cells .pixelated{image-rendering:pixelated}
.cells span{display:block;margin-top:4px;font-size:13px;line-height:1.35;color:var(--muted)}
.row figcaption{margin-bottom:8px;font-size:14px;font-weight:600}
@media(max-width:640px){main{padding:32px 16px 48px}h1{font-size:26px}section{margin-top:44px}
.cells{grid-template-columns:1fr 1fr}.cells>:first-child:nth-last-child(odd){grid-column:1/-1}}
.notes{margin:10px 0 0;padding-left:20px;max-width:76ch}.notes li+li{margin-top:6px}
@media print{figure{break-inside:avoid}}
`;

/** Shows the values under the pointer. It reads the drawn paths, so the page carries no second copy of the data. */
export const SCRIPT = `
for (const svg of document.querySelectorAll("svg[data-axes]")) {
  const axes = JSON.parse(svg.dataset.axes);
  const lines = [...svg.querySelectorAll(".line[data-name]")].map((path) => ({
    name: path.dataset.name,
    points: [...path.getAttribute("d").matchAll(/[ML]([\\d.-]+) ([\\d.-]+)/g)].map((m) => [+m[1], +m[2]]),
  }));
  const readout = document.createElement("div");
  readout.className = "readout";
  const text = readout.appendChild(document.createElement("span"));
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "path");
  cursor.setAttribute("class", "cursor");
  const mix = ([low, high], t) => low + t * (high - low);
  const toX = (x) => mix(axes.x, (x - axes.left) / (axes.right - axes.left));
  const toY = (y) => {
    const t = (axes.bottom - y) / (axes.bottom - axes.top);
    return axes.log ? Math.exp(mix(axes.y.map(Math.log), t)) : mix(axes.y, t);
  };
  const hide = () => { readout.remove(); cursor.remove(); };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", (event) => {
    const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
    if (x < axes.left - 8 || x > axes.right + 8) return hide();
    const near = (points) => points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
    const hits = lines.map(({ name, points }) => ({ name, point: near(points) }));
    const at = near(hits.map((hit) => hit.point))[0];
    const shown = hits.filter((hit) => Math.abs(hit.point[0] - at) < 8);
    const values = shown.map((hit) => hit.name + " " + +toY(hit.point[1]).toPrecision(3));
    text.textContent = +toX(at).toPrecision(4) + ": " + values.join(", ");
    cursor.setAttribute("d", "M" + at + " " + axes.top + "V" + axes.bottom);
    svg.append(cursor);
    svg.parentNode.append(readout);
  });
}
`;
