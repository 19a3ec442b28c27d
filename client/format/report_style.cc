#include "client/format/report_style.h"

namespace torchlap::client::format {

// Series have the colours of Okabe and Ito, which people see apart whatever colours they see; on
// dark paper the dark ones are lightened.
std::string ReportStyle() {
  return R"(:root{color-scheme:light dark;--paper:#fdfdfb;--raised:#f5f5f0;--shade:#ecece4;
--ink:#1b1d21;--quiet:#5d626b;--line:#dfdfd7;--accent:#0068a5;--good:#00744f;--warn:#8f5f00;--bad:#b3400a;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#e69f00;--c5:#56b4e9;--c6:#8a7d00;--step:#767b84}
@media (prefers-color-scheme:dark){:root{--paper:#14161a;--raised:#1c1f25;--shade:#272b33;
--ink:#e8e8e4;--quiet:#a0a5ae;--line:#31353d;--accent:#6fc0f2;--good:#3ecf9b;--warn:#f0b73d;--bad:#ff8f57;
--c0:#4aa8e8;--c1:#f07f2e;--c2:#1fc492;--c3:#e29cc3;--c4:#f0b73d;--c5:#8fd0f7;--c6:#e8da4a;--step:#9ba1ab}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,Cantarell,sans-serif}
header,main,footer{max-width:1100px;margin:0 auto;padding:0 20px}
header{padding-top:44px}
.skip{position:absolute;left:-999px;top:8px;padding:.5rem 1rem;background:var(--ink);color:var(--paper)}
.skip:focus{left:20px}
.eyebrow{margin:0;color:var(--accent);font-weight:600;font-size:.8rem;letter-spacing:.09em;text-transform:uppercase}
h1{margin:.15rem 0 .4rem;font-size:clamp(1.7rem,1.2rem + 2.2vw,2.6rem);line-height:1.15;letter-spacing:-.02em;
font-weight:700;overflow-wrap:anywhere;text-wrap:balance}
h2{margin:0 0 .35rem;font-size:1.35rem;letter-spacing:-.01em;line-height:1.25}
h3{margin:0 0 .1rem;font-size:1rem;line-height:1.35;overflow-wrap:anywhere}
p{margin:.4rem 0;max-width:72ch;overflow-wrap:anywhere}
.meta,.lead,figcaption,.aside{color:var(--quiet);font-size:.9rem}
.meta span+span::before{content:"·";margin:0 .5em}
a{color:var(--accent);text-underline-offset:.15em}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:1.2rem 0 0;padding:.6rem 0;list-style:none;
border-top:1px solid var(--line);border-bottom:1px solid var(--line);font-size:.9rem}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,160px),1fr));gap:12px;margin:1.6rem 0 0;padding:0}
.facts div{padding:14px 16px;background:var(--raised);border:1px solid var(--line);border-radius:10px;display:flex;flex-direction:column}
.facts dt{color:var(--quiet);font-size:.8rem}
.facts dd{margin:0;font-size:1.55rem;font-weight:650;line-height:1.25;letter-spacing:-.015em;font-variant-numeric:tabular-nums}
.facts dd.aside{font-size:.8rem;font-weight:400;letter-spacing:0;margin-top:.15rem}
section{margin:2.8rem 0 0}
.scroll{overflow-x:auto;margin:.8rem 0;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums;min-width:100%}
caption{text-align:left;color:var(--quiet);font-size:.85rem;padding:0 0 .5rem;caption-side:top}
caption span{display:inline-block;position:sticky;left:0;max-width:min(calc(100vw - 40px),1060px);white-space:normal}
th,td{padding:.42rem .62rem .42rem 0;text-align:left;vertical-align:top;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
thead th{font-weight:600;color:var(--quiet);font-size:.78rem;border-bottom:1.5px solid var(--ink);vertical-align:bottom}
tbody th{font-weight:600;position:sticky;left:0;background:var(--paper)}
tbody tr:hover th{background:var(--raised)}
tbody tr{border-bottom:1px solid var(--line)}
tbody tr:hover{background:var(--raised)}
.number{text-align:right}
td.note{white-space:normal;min-width:9.5rem;max-width:26rem;overflow-wrap:anywhere}
table.fields{min-width:0}
table.fields td{white-space:normal;overflow-wrap:anywhere}
.none{color:var(--quiet)}
tr.differs th::after{content:" ≠";color:var(--warn)}
tr.differs td{font-weight:600}
.badge{display:inline-block;padding:0 .45em;border:1px solid currentColor;border-radius:99px;font-size:.8rem;font-weight:600;line-height:1.5;white-space:nowrap}
.badge.good{color:var(--good)}.badge.warn{color:var(--warn)}.badge.bad{color:var(--bad)}.badge.plain{color:var(--quiet)}
figure{margin:1rem 0 0}
figcaption{margin-top:.5rem;max-width:80ch}
figcaption strong{color:var(--ink);display:block}
.changes{margin:.3rem 0 0;padding-left:1.1rem;overflow-wrap:anywhere}
.whole{white-space:nowrap}
details{margin:.5rem 0 0;font-size:.9rem}
summary{cursor:pointer;color:var(--accent);width:fit-content}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:16px;margin-top:1rem}
.cards>*{min-width:0;margin:0;padding:14px 16px;background:var(--raised);border:1px solid var(--line);border-radius:10px;--paper:var(--raised)}
.cards .scroll{max-height:22rem;overflow:auto}
.cards figure figure,.cards article figure{margin-top:.2rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:24px}
.pair>*{min-width:0}
.key{display:inline-flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.3rem 0 0;padding:0;list-style:none;font-size:.85rem;color:var(--quiet)}
.key li{display:flex;align-items:center;gap:.4rem}
ul.advice{padding-left:1.2rem;margin:.5rem 0;max-width:90ch}
ul.advice li{margin:.4rem 0;overflow-wrap:anywhere}
code,pre{font:.86rem/1.5 ui-monospace,SFMono-Regular,"Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{margin:.8rem 0;padding:14px 16px;background:var(--raised);border:1px solid var(--line);border-radius:10px;overflow-x:auto;white-space:pre}
footer{margin-top:3.5rem;padding-top:1rem;padding-bottom:2.5rem;color:var(--quiet);font-size:.85rem}
footer p{border-top:1px solid var(--line);padding-top:1rem;max-width:none}
@media (max-width:640px){header{padding-top:28px}section{margin-top:2.2rem}header,main,footer{padding-left:16px;padding-right:16px}
td.note{min-width:17rem}table.named tbody th{white-space:normal;min-width:9.5rem;max-width:9.5rem}}
@media print{:root{color-scheme:light;--paper:#fff;--raised:#fff;--shade:#eee;--ink:#000;--quiet:#444;--line:#ccc;--accent:#000;
--good:#00744f;--warn:#8f5f00;--bad:#b3400a;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#e69f00;--c5:#56b4e9;--c6:#8a7d00;--step:#767b84}
body{font-size:10pt}nav,.skip,summary{display:none}header,main,footer{max-width:none;padding-left:0;padding-right:0}
.scroll{overflow:visible}.scroll,.cards .scroll{max-height:none}table{font-size:8pt}th,td{white-space:normal;padding-right:.5rem}td.number{white-space:nowrap}
pre{white-space:pre-wrap;overflow-wrap:anywhere}tbody th,caption span{position:static}
.cards{grid-template-columns:repeat(2,1fr)}.cards>*,figure,tr{break-inside:avoid}h2,h3{break-after:avoid}}
)";
}

}  // namespace torchlap::client::format
