"""The one style and the one script of a report; the page reads as well without the script."""

STYLE = """
:root{--bg:#fff;--fg:#1c2127;--dim:#5b6570;--rule:#d9dee3;--soft:#f3f5f7;--shade:#e6ebf0;
--c0:#0b62a8;--c1:#b3500a;--c2:#4a7a1f;--c3:#7a3f9d;--c4:#9a6b00;--c5:#007a7a;
--deploy:#1d7a3a;--paper:#96690a;--reject:#b3261e;--void:#c9ced4}
@media (prefers-color-scheme:dark){:root{--bg:#14181c;--fg:#e4e8ec;--dim:#9aa5b1;--rule:#333b44;
--soft:#1d2329;--shade:#252d36;
--c0:#62b0f0;--c1:#f0a060;--c2:#9ccf66;--c3:#cf9bef;--c4:#e0bf55;--c5:#5fd0d0;
--deploy:#5fcf80;--paper:#e5b94e;--reject:#ff8a80;--void:#4a525b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1rem 1.25rem 4rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif}
h1{font-size:1.6rem;margin:.5rem 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 .5rem;padding-top:1.5rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
section{margin-top:1.5rem}
p{margin:.4rem 0;max-width:46rem;overflow-wrap:anywhere}
ul{margin:.4rem 0;padding-left:1.2rem;max-width:48rem}
li{margin:.2rem 0;overflow-wrap:anywhere}
.dim{color:var(--dim)}
nav{display:flex;flex-wrap:wrap;gap:.2rem .9rem;font-size:.9rem}
a{color:var(--c0)}
.banner{border-left:.4rem solid var(--dim);background:var(--soft);padding:.6rem 1rem;font-size:1.05rem}
.banner strong{text-transform:uppercase;letter-spacing:.06em;margin-right:.4rem}
.deploy{border-color:var(--deploy)}.deploy strong{color:var(--deploy)}
.paper{border-color:var(--paper)}.paper strong{color:var(--paper)}
.reject{border-color:var(--reject)}.reject strong{color:var(--reject)}
.warnings{border-left:.3rem solid var(--paper);padding-left:.8rem}
.table{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule);
font-weight:400;max-width:26rem;overflow-wrap:break-word}
thead th{color:var(--dim);font-size:.82rem;vertical-align:bottom}
.number{text-align:right;white-space:nowrap}
th[scope=colgroup]{text-align:center;color:var(--fg);padding-bottom:0}th[scope=colgroup]:empty{border-bottom:0}
tbody th{min-width:7.2rem}
thead .number,.number.long{white-space:normal}.long{overflow-wrap:anywhere;min-width:11rem}
.words .number{white-space:normal}
.words table{table-layout:fixed;width:100%;min-width:44rem}
.words th:nth-child(1){width:24%}.words th:nth-child(2){width:15%}.words th:nth-child(3){width:35%}
.facts tbody th:nth-child(1){width:12rem}.facts td{max-width:none}
.facts thead{display:none}
.wide table{font-size:.84rem}.wide tbody th{white-space:nowrap}
pre{background:var(--soft);padding:.6rem .8rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;
font-size:.85rem}
details{margin:.5rem 0}summary{cursor:pointer;color:var(--c0)}
.chart{overflow-x:auto;margin:.6rem 0}
svg{display:block;width:100%;min-width:38rem;height:auto}
.label{font-size:12.5px;fill:var(--fg)}.small{font-size:11px}
svg .dim{fill:var(--dim)}.name{fill:var(--dim)}.value{font-variant-numeric:tabular-nums}
.grid{stroke:var(--rule)}.axis{stroke:var(--dim)}.mark{stroke:var(--dim);stroke-dasharray:2 4}
.cell{shape-rendering:crispEdges}
.shade{fill:var(--shade)}.void{fill:var(--void)}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.s0{stroke:var(--c0);stroke-width:2.2}.s1{stroke:var(--c1)}.s2{stroke:var(--c2);stroke-dasharray:7 3}
.s3{stroke:var(--c3);stroke-dasharray:2 3}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
.area{fill-opacity:.16}.bar{fill-opacity:.75}.whisker{stroke:var(--fg);stroke-width:1.5;fill:none}
.dot{stroke:var(--bg);stroke-width:1}.ghost{fill:var(--dim);fill-opacity:.35;stroke:none}
.open{fill-opacity:.25;stroke:var(--c3)}
.trial{stroke:#fff;stroke-width:.7;stroke-opacity:.8}
.halo{fill:none;stroke:#000;stroke-width:5}.point{fill:none;stroke:#fff;stroke-width:2.4}
.cursor{stroke:var(--dim);stroke-width:1}
.read{font-size:12.5px;fill:var(--fg);paint-order:stroke;stroke:var(--bg);stroke-width:4px}
@media print{:root{--bg:#fff;--fg:#000;--dim:#444;--rule:#ccc;--soft:#f4f4f4;--shade:#e8e8e8;
--c0:#0b62a8;--c1:#b3500a;--c2:#4a7a1f;--c3:#7a3f9d;--deploy:#1d7a3a;--paper:#96690a;--reject:#b3261e;--void:#c9ced4}
body{max-width:none;font-size:11pt;padding:0}nav{display:none}svg{min-width:0}
.chart,tr,.banner{break-inside:avoid}h2,h3{break-after:avoid}.table,.chart{overflow:visible}}
"""

SCRIPT = """
"use strict";
document.querySelectorAll("svg.hover").forEach(function (svg) {
  function scale(text) {
    const part = text.split(" "), log = part[0] === "log", number = part.slice(1).map(Number);
    const low = log ? Math.log10(number[0]) : number[0], high = log ? Math.log10(number[1]) : number[1];
    return function (place) {
      const value = low + (place - number[2]) / (number[3] - number[2]) * (high - low);
      if (part[0] === "date") return new Date(value * 864e5).toISOString().slice(0, 10);
      if (part[0] === "percent") return (100 * value).toFixed(1) + "%";
      return Number((log ? Math.pow(10, value) : value).toPrecision(4)).toLocaleString("en-US");
    };
  }
  function add(name) {
    const made = document.createElementNS(svg.namespaceURI, name);
    svg.appendChild(made);
    return made;
  }
  const x = scale(svg.dataset.x), y = scale(svg.dataset.y), size = svg.viewBox.baseVal;
  const lines = Array.from(svg.querySelectorAll("polyline"), function (line) {
    return {name: line.dataset.name, points: Array.from(line.points)};
  }).reverse();
  const cursor = add("line"), read = add("text");
  cursor.setAttribute("class", "cursor");
  read.setAttribute("class", "read");
  function hide() { cursor.setAttribute("visibility", "hidden"); read.textContent = ""; }
  hide();
  svg.addEventListener("mouseleave", hide);
  svg.addEventListener("mousemove", function (event) {
    const box = svg.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * size.width;
    let nearest = null;
    const texts = [];
    lines.forEach(function (line) {
      const point = line.points.reduce(function (a, b) {
        return Math.abs(b.x - place) < Math.abs(a.x - place) ? b : a;
      });
      if (Math.abs(point.x - place) > 20) return;
      if (nearest === null || Math.abs(point.x - place) < Math.abs(nearest - place)) nearest = point.x;
      texts.push((lines.length > 1 ? line.name + " " : "") + y(point.y));
    });
    if (nearest === null) return hide();
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", nearest);
    cursor.setAttribute("x2", nearest);
    cursor.setAttribute("y1", 24);
    cursor.setAttribute("y2", size.height - 28);
    const left = nearest < size.width / 2;
    read.setAttribute("x", nearest + (left ? 8 : -8));
    read.setAttribute("y", size.height - 40);
    read.setAttribute("text-anchor", left ? "start" : "end");
    read.textContent = x(nearest) + ": " + texts.join(", ");
  });
});
"""
