"""How a report looks: light, dark and on paper. Contrast of every text is at least 4.5 to 1."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root{color-scheme:light dark;--ink:#1f2328;--faint:#59636e;--line:#d9dee3;--paper:#fff;
--tint:#f5f7f9;--good:#157a3c;--good-tint:#e9f6ee;--bad:#b3121b;--bad-tint:#fdeeee;
--warn:#7d5200;--warn-tint:#fdf4e0;--quiet:#59636e;--quiet-tint:#f5f7f9}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9aa5b1;--line:#30373f;
--paper:#14181d;--tint:#1b2027;--good:#56d08a;--good-tint:#10261a;--bad:#ff8a87;--bad-tint:#2e1618;
--warn:#e8b84a;--warn-tint:#2a2110;--quiet:#9aa5b1;--quiet-tint:#1b2027}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 48px}
header{border-left:6px solid var(--tone);background:var(--tone-tint);border-radius:4px;
padding:20px 24px;margin-bottom:24px}
.good{--tone:var(--good);--tone-tint:var(--good-tint)}.bad{--tone:var(--bad);--tone-tint:var(--bad-tint)}
.warn{--tone:var(--warn);--tone-tint:var(--warn-tint)}.quiet{--tone:var(--quiet);--tone-tint:var(--quiet-tint)}
.verdict{color:var(--tone);font-weight:700;font-size:13px;letter-spacing:.05em;
text-transform:uppercase;margin:0}
h1{font-size:24px;line-height:1.25;margin:4px 0 10px;overflow-wrap:anywhere}
h2{font-size:18px;margin:36px 0 10px;padding-bottom:6px;border-bottom:1px solid var(--line)}
h3{font-size:15px;margin:22px 0 6px}
p{margin:6px 0}.reason{font-size:17px;margin:0;overflow-wrap:anywhere;max-width:76ch}
.detail,.note{color:var(--faint);overflow-wrap:anywhere;max-width:90ch}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:10px 28px;
margin:16px 0}
dt{color:var(--faint);font-size:13px}dd{margin:0;overflow-wrap:anywhere}
code{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:26px 32px;
margin:18px 0}
figure{margin:0;min-width:0;break-inside:avoid}
.scroll{overflow-x:auto;margin:12px 0}.scroll:focus-visible{outline:2px solid var(--faint)}
table{border-collapse:collapse;width:100%;font-size:14px}
caption{text-align:left;color:var(--faint);font-size:13px;padding:0 0 4px}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--line);
overflow-wrap:break-word}
td code{white-space:nowrap}td:first-child{white-space:nowrap}
thead th{color:var(--faint);font-weight:600;font-size:13px;white-space:nowrap}
tbody th{font-weight:600;white-space:nowrap}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.moment,.nowrap{white-space:nowrap;font-variant-numeric:tabular-nums}
.badge{display:inline-block;color:var(--tone);background:var(--tone-tint);border:1px solid var(--tone);
border-radius:10px;padding:0 9px;font-size:12.5px;font-weight:600;white-space:nowrap}
.box{border-left:4px solid var(--tone);background:var(--tone-tint);padding:10px 16px;margin:14px 0;
border-radius:3px}
.box ul{margin:4px 0;padding-left:20px}
.track{display:block;position:relative;height:10px;min-width:160px;background:var(--tint);
border-radius:2px;margin-top:6px}
.track i{position:absolute;top:0;bottom:0;min-width:2px;background:var(--tone);border-radius:2px}
.meter{display:block;position:relative;height:8px;min-width:120px;background:var(--line);
border-radius:2px;margin-top:7px}
.meter i{position:absolute;left:0;top:0;bottom:0;background:var(--tone);border-radius:2px}
details{margin:14px 0}summary{cursor:pointer;color:var(--faint)}
summary:focus-visible{outline:2px solid var(--faint)}
footer{margin-top:40px;border-top:1px solid var(--line);padding-top:12px;color:var(--faint);
font-size:13px}
.prose td{overflow-wrap:anywhere}.prose td:nth-child(n+3){min-width:14ch}
@media screen and (max-width:640px){.prose thead{position:absolute;clip-path:inset(50%)}
.prose table,.prose caption,.prose tbody,.prose tr,.prose td,.prose tbody th{display:block}
.prose td,.prose tbody th,.prose td code{border:0;padding:2px 0;white-space:normal}
.prose td:empty{display:none}.prose tr{border-bottom:1px solid var(--line);padding:8px 0}}
@media (max-width:520px){main{padding:14px 12px 32px}header{padding:14px 16px}h1{font-size:20px}}
@media print{:root{--ink:#000;--faint:#444;--line:#bbb;--paper:#fff;--tint:#f3f3f3;--good:#0d6630;
--good-tint:#fff;--bad:#a30d16;--bad-tint:#fff;--warn:#6b4600;--warn-tint:#fff;--quiet:#444;
--quiet-tint:#fff}
body{font-size:10.5pt}main{max-width:none;padding:0}header,.badge,.track i,.meter i{
print-color-adjust:exact;-webkit-print-color-adjust:exact}
h2,h3,caption{break-after:avoid}tr,.box{break-inside:avoid}.charts{grid-template-columns:1fr 1fr}
.scroll{overflow:visible}details::details-content{content-visibility:visible;block-size:auto}
summary{display:none}}
""".strip()
