"""The sandbox's page for people: who is known, who came, and what was just called."""

import json
from dataclasses import asdict

from jinja2 import Environment

from central.mywellness.sandbox.calls import Call, Stage
from central.mywellness.sandbox.ledger import EX_MEMBER, MEMBER, PROSPECT
from central.mywellness.sandbox.sandbox import Sandbox
from central.mywellness.sandbox.switches import Switches

SHOWN_CALLS = 100
SHOWN_ROWS = 20
STATUS_WORDS = {PROSPECT: "prospect", EX_MEMBER: "ex-member", MEMBER: "member"}

SCRIPT = """
const refresh = async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch("/", { signal: AbortSignal.timeout(5000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of fresh.querySelectorAll("[data-live]")) {
      const here = document.getElementById(part.id);
      if (here && here.innerHTML !== part.innerHTML) here.innerHTML = part.innerHTML;
    }
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
  }
};
setInterval(refresh, 2000);
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2730; --soft: #5a6873; --line: #dde3e8; --paper: #f6f8f9;
  --card: #fff; --good: #12683f; --bad: #a32626; --odd: #855300; --mark: #e9f2f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5eaee; --soft: #9aa8b3; --line: #303b44; --paper: #14191d;
  --card: #1b2227; --good: #6fd0a0; --bad: #f39a92; --odd: #e5b865; --mark: #22303a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
header, main { max-width: 1200px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 20px; }
h1 { font-size: 22px; margin: 0; }
header p { margin: 4px 0 0; color: var(--soft); }
.lost #when::after { content: " \\2013 no answer, trying again"; color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: 8px;
  margin: 16px 0; padding: 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; }
.figures dd { margin: 0; font-size: 22px; font-variant-numeric: tabular-nums; }
.figures dt { color: var(--soft); font-size: 13px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: 0 0 16px;
  padding: 12px 16px; }
h2 { font-size: 16px; margin: 0 0 8px; }
h2 small { color: var(--soft); font-weight: normal; }
.two { display: grid; gap: 0 16px; grid-template-columns: 3fr 2fr; align-items: start; }
.two > * { min-width: 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: normal; }
th, td { padding: 4px 12px 4px 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
thead th { border-top: 0; }
.n, time { font-variant-numeric: tabular-nums; white-space: nowrap; }
.n { text-align: right; color: var(--soft); width: 1%; }
.id { min-width: 5em; }
code { font: 12.5px/1.4 ui-monospace, monospace; color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); } .odd { color: var(--odd); }
.quiet { color: var(--soft); margin: 0; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; margin: 0; padding: 0; list-style: none; font-size: 13px; }
.chips li { border: 1px solid var(--line); border-radius: 99px; padding: 1px 10px; }
.chips .moved { background: var(--mark); border-color: var(--odd); }
.chips b { font-weight: 600; }
details summary { cursor: pointer; }
@media (max-width: 860px) { .two { grid-template-columns: 1fr; } }
@media (max-width: 620px) {
  thead { display: none; }
  table, tbody { display: block; }
  tr { display: flex; flex-wrap: wrap; gap: 0 10px; border-top: 1px solid var(--line); padding: 6px 0; }
  td { border: 0; padding: 0; }
  td.wide { flex-basis: 100%; }
  .n, .id { text-align: left; width: auto; min-width: 0; }
}
"""

_TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mywellness sandbox</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/_standin/page.css">
<script src="/_standin/page.js" defer></script>
</head>
<body>
<header>
<h1>Mywellness sandbox</h1>
<p>A stand-in, not Technogym's service. Clubs: {{ clubs }}. <span id="when" data-live>Clock
{{ now.strftime("%Y-%m-%d %H:%M:%S %Z") }}</span></p>
</header>
<main>
<dl class="figures" id="figures" data-live>
{% for name, figure in figures %}
<div><dt>{{ name }}</dt><dd>{{ figure }}</dd></div>
{% endfor %}
</dl>
<section id="plan" data-live>
<h2>Switches and faults</h2>
<ul class="chips">
{% for name, position, moved in switches %}
<li{% if moved %} class="moved"{% endif %}>{{ name }} <b>{{ position }}</b></li>
{% endfor %}
</ul>
<p></p>
{% if faults %}
<ul class="chips">
{% for fault in faults %}
<li class="moved"><b>{{ fault.kind }}</b> {{ fault.action or "any call" }}, {{ fault.remaining }} to come
{%- if fault.skip %} after {{ fault.skip }} good{% endif %}</li>
{% endfor %}
</ul>
{% else %}
<p class="quiet">No fault is armed.</p>
{% endif %}
</section>
<div class="two">
<section id="people" data-live>
<h2>Persons and memberships <small>{{ rows_note(people_count) }}</small></h2>
{% if people %}
<table>
<thead><tr><th>Id</th><th>Name</th><th>Status</th><th>Membership</th></tr></thead>
<tbody>
{% for person in people %}
<tr><td class="id">{{ person.external_id }}</td>
<td>{{ person.details.firstName }} {{ person.details.lastName }}</td>
<td class="id">{% if person.deleted_at %}<span class="bad">deleted</span>
{% else %}{{ words.get(person.status) }}{% endif %}</td>
<td class="wide">{% with m = person.membership %}{% if m %}
{{ m.fields.description or "no description" }}
<span class="quiet"><time>{{ m.fields.startOn or "?" }}</time> –
<time>{{ m.fields.expiresOn or "open" }}</time></span>
{% if m.frozen %}<span class="odd">frozen</span>{% endif %}
{% if m.ended %}<span class="odd">ended</span>{% endif %}
{% else %}<span class="quiet">no membership</span>{% endif %}{% endwith %}</td></tr>
{% endfor %}
</tbody>
</table>
{% else %}<p class="quiet">Nobody has been created yet.</p>{% endif %}
</section>
<section id="visits" data-live>
<h2>Visits <small>{{ rows_note(visit_count) }}</small></h2>
{% if visits %}
<table>
<thead><tr><th class="n">No.</th><th>Id</th><th>Visit date as received</th><th></th></tr></thead>
<tbody>
{% for number, who, visit in visits %}
<tr><td class="n">{{ number }}</td><td class="id">{{ who }}</td>
<td><time>{{ visit.visit_date or "none sent" }}</time></td>
<td>{% if not visit.counted %}<span class="odd">not counted</span>{% endif %}</td></tr>
{% endfor %}
</tbody>
</table>
{% else %}<p class="quiet">Nobody has come yet.</p>{% endif %}
</section>
</div>
<section id="calls" data-live>
<h2>Calls <small>{{ rows_note(call_count, shown_calls) }}</small></h2>
{% if calls %}
<table>
<thead><tr><th class="n">No.</th><th>Time</th><th>Action</th><th>Answer</th><th>Sent</th></tr></thead>
<tbody>
{% for call in calls %}
<tr><td class="n">{{ call.number }}</td><td><time>{{ call.at.strftime("%H:%M:%S") }}</time></td>
<td>{{ call.action }}{% if call.fault %} <span class="odd">{{ call.fault }}</span>{% endif %}</td>
<td>{% set tone, words = verdict(call) %}<span class="{{ tone }}">{{ words }}</span></td>
<td class="wide"><code>{{ sent(call) }}</code></td></tr>
{% endfor %}
</tbody>
</table>
{% else %}<p class="quiet">No call has come yet.</p>{% endif %}
</section>
</main>
</body>
</html>
""")


def verdict(call: Call) -> tuple[str, str]:
    """Return how a call ended, as a tone (CSS class) and a few words."""
    if call.stage is Stage.CUT:
        return "bad", "cut, recorded" if call.committed else "cut, nothing recorded"
    if call.stage is not Stage.ANSWERED:
        return "odd", "waiting, recorded" if call.committed else "waiting"
    if not isinstance(call.answer, dict):
        return "bad", f"{call.status} {call.answer or '(empty)'}"
    if "errors" in call.answer:
        first = call.answer["errors"][0]
        return "bad", f"{call.status} {first['type']} {first['field']} {first['details']}".rstrip()
    words = call.answer["data"].get("result") or ("not found" if len(call.answer["data"]) <= 1 else "found")
    return "good", f"{call.status} {words}"


def sent(call: Call) -> str:
    """Return the body on one line, without the token."""
    return json.dumps({name: value for name, value in call.body.items() if name != "token"}, ensure_ascii=False)


def rows_note(count: int, shown: int = SHOWN_ROWS) -> str:
    """Return how many rows there are, and how many of them are on the page."""
    return f"{count}" if count <= shown else f"{count}, the last {shown}"


def render(sandbox: Sandbox) -> str:
    """Return the page; newest rows come first."""
    ledger = sandbox.ledger
    people = list(ledger.people.values())
    known_as = {(person.facility, person.user_id): person.external_id for person in people}
    visits = list(enumerate(ledger.visits, start=1))[-SHOWN_ROWS:]
    usual = asdict(Switches())
    return _TEMPLATE.render(
        clubs=", ".join(facility.name for facility in sandbox.facilities.values()),
        now=sandbox.clock.now(),
        figures=[
            ("Persons", sum(person.deleted_at is None for person in people)),
            ("Memberships", sum(person.membership is not None and person.deleted_at is None for person in people)),
            ("Visits", ledger.counters["visits_counted"]),
            ("Deletes", ledger.counters["person_deleted"]),
            ("Calls", sandbox.calls.last),
            ("In flight", len(sandbox.calls.inflight())),
        ],
        switches=[
            (name.replace("_", " "), str(position).replace("_", " "), position != usual[name])
            for name, position in asdict(sandbox.switches).items()
        ],
        faults=sandbox.faults.armed(),
        people=people[: -SHOWN_ROWS - 1 : -1],
        people_count=len(people),
        words=STATUS_WORDS,
        visits=[(number, known_as.get((v.facility, v.user_id), v.user_id), v) for number, v in reversed(visits)],
        visit_count=len(ledger.visits),
        calls=sandbox.calls.after(sandbox.calls.last - SHOWN_CALLS)[::-1],
        call_count=sandbox.calls.last,
        shown_calls=SHOWN_CALLS,
        rows_note=rows_note,
        verdict=verdict,
        sent=sent,
    )
