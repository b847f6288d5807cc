"use strict";

const KEPT = 200;
const rows = document.getElementById("rows");
const more = document.getElementById("more");
const state = document.getElementById("state");
const words = document.getElementById("state-words");
const known = new Set([...rows.children].map((row) => row.dataset.id));
let held = [];
let lastHeard = null;

document.getElementById("since").textContent = new Date().toTimeString().slice(0, 5);

const count = (id) => {
  const figure = document.getElementById(id);
  figure.textContent = String(Number(figure.textContent) + 1);
};

const show = (fresh) => {
  for (const row of fresh) {
    row.classList.add("fresh");
    rows.prepend(row);
  }
  while (rows.children.length > KEPT) rows.lastElementChild.remove();
  document.getElementById("none").hidden = rows.children.length > 0;
};

const release = () => {
  show(held);
  held = [];
  more.hidden = true;
};

// Nothing jumps: who has scrolled down reads on, and asks for the new rows.
const reading = () => window.scrollY > 80;

const take = (html) => {
  const piece = document.createElement("template");
  piece.innerHTML = html;
  const fresh = [...piece.content.querySelectorAll("li")].filter((row) => !known.has(row.dataset.id));
  for (const row of fresh) {
    known.add(row.dataset.id);
    count(row.classList.contains("granted") ? "granted" : "refused");
  }
  lastHeard = Date.now();
  if (reading()) {
    held.push(...fresh);
    more.textContent = `${held.length} new`;
    more.hidden = held.length === 0;
  } else {
    show([...held, ...fresh]);
    held = [];
    more.hidden = true;
  }
};

const say = (name, text) => {
  state.dataset.state = name;
  state.firstElementChild.textContent = { live: "●", lost: "!", waiting: "◌" }[name];
  words.textContent = text;
};

const age = () => {
  if (state.dataset.state !== "live") return;
  if (lastHeard === null) return say("live", "live");
  const seconds = Math.round((Date.now() - lastHeard) / 1000);
  say("live", seconds < 60 ? `live, last passage ${seconds} s ago` : `live, last passage ${Math.round(seconds / 60)} min ago`);
};

const source = new EventSource("/live/events");
source.addEventListener("open", () => say("live", "live"));
source.addEventListener("passages", (event) => take(event.data));
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) say("lost", "not connected; load the page again");
  else say("lost", "connection lost, trying again");
});
more.addEventListener("click", () => {
  window.scrollTo({ top: 0 });
  release();
});
window.addEventListener("scroll", () => {
  if (!reading() && held.length) release();
}, { passive: true });
setInterval(age, 5000);
