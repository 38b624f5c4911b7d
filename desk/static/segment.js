// The page of one segment: listen, correct by keyboard, save, undo; shows what others changed meanwhile.

import { bare, bind, setBare } from "./keys.js";
import { Player } from "./player.js";

const page = document.getElementById("segment");
const facts = JSON.parse(document.getElementById("facts").textContent);
const form = document.getElementById("correction");
const said = document.getElementById("said");
const conflict = document.getElementById("conflict");
const help = document.getElementById("help");
const SHORT_STEP = 0.05;
const CONTEXT = 2;
const SKIPPED = "fangyan-skipped";
const MOST_SKIPPED = 50;

const known = name => document.querySelector(`meta[name=${name}]`).content;
const spoken = [...document.querySelectorAll(".spoken .ch")];
const player = new Player(document.getElementById("wave"), spoken, known("style-nonce"));
let boundaries = false;
let busy = false;
let seen = facts.seen;

const say = (words, kind = "") => { said.textContent = words; said.className = `wide ${kind}`; };
const value = name => {
  const field = form.elements[name];
  if (field.type === "checkbox") return field.checked ? "true" : "false";
  return field.value.trim();
};
const before = Object.fromEntries(facts.fields.map(name => [name, value(name)]));
const changed = () => facts.fields.filter(name => value(name) !== before[name]);
const at = name => Number(form.elements[name].value);

async function loadSegment() {
  boundaries = false;
  page.classList.remove("boundaries");
  document.getElementById("boundaries").setAttribute("aria-pressed", "false");
  try {
    await player.load(facts.audio, facts.start);
  } catch {
    say("The sound of this segment cannot be played: what you change can be saved, but not accepted.", "bad");
  }
}

async function loadContext() {
  boundaries = true;
  page.classList.add("boundaries");
  document.getElementById("boundaries").setAttribute("aria-pressed", "true");
  const from = Math.max(0, Math.min(at("start"), facts.start) - CONTEXT);
  const to = Math.min(facts.duration || Infinity, Math.max(at("end"), facts.end) + CONTEXT);
  try {
    await player.load(`${facts.original}?start=${from.toFixed(3)}&end=${to.toFixed(3)}`, from);
    player.mark(at("start"), at("end"), (start, end) => set(start, end));
  } catch {
    say("The recording around this segment cannot be played.", "bad");
  }
}

function set(start, end) {
  form.elements.start.value = start.toFixed(3);
  form.elements.end.value = end.toFixed(3);
  touched();
}

async function move(name, by) {
  if (!boundaries) await loadContext();
  const other = name === "start" ? at("end") - 0.1 : at("start") + 0.1;
  const moved = Math.max(0, at(name) + by);
  form.elements[name].value = (name === "start" ? Math.min(moved, other) : Math.max(moved, other)).toFixed(3);
  marked();
}

function marked() {
  touched();
  if (boundaries) player.mark(at("start"), at("end"), (start, end) => set(start, end));
}

const again = () => boundaries ? player.again(at("start"), at("end")) : player.again();
const play = () => boundaries && !player.playing ? again() : player.toggle();

function pace(steps) {
  const rate = player.step(steps);
  document.getElementById("rate").textContent = `${rate}×`;
}

function touched() {
  const names = changed();
  for (const name of facts.fields) {
    form.elements[name].closest("label")?.classList.toggle("changed", names.includes(name));
  }
}

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST", credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": known("csrf") },
    body: JSON.stringify(body),
  });
  const kind = answer.headers.get("Content-Type") || "";
  return { status: answer.status, body: kind.includes("json") ? await answer.json() : {} };
}

// Save what changed; with `accept` also that the rest is right. Goes on to the next segment after that.
async function save(accept) {
  if (busy || !facts.may_correct) return;
  const names = changed();
  const rejected = (names.includes("keep") && value("keep") === "drop") || value("unintelligible") === "true";
  if (accept && !player.broken && player.listened < Math.min(0.5, (facts.end - facts.start) / 2)) {
    say("Listen first: Space plays.", "bad");
    return;
  }
  if (accept && player.broken) accept = false;
  if (!names.length && !(accept && !rejected)) {
    if (accept) skip();
    else say("Nothing was changed.");
    return;
  }
  busy = true;
  say("Saving …");
  const values = Object.fromEntries(names.map(name => [name, value(name)]));
  const listened_s = Math.round(player.listened * 1000) / 1000;
  const body = { values, accepted: accept && !rejected, seen, sample: facts.sample, listened_s };
  try {
    const answer = await send(facts.save, body);
    if (answer.status === 409) showConflict(answer.body, accept);
    else if (answer.status === 200) go(accept ? following() : here());
    else say(answer.body.error || `Not saved (${answer.status}): try again, or sign in anew.`, "bad");
  } catch {
    say("Not saved: the desk does not answer. Your text is still here; try again.", "bad");
  } finally {
    busy = false;
  }
}

function showConflict({ newer, ids }, accept) {
  const rows = document.getElementById("theirs");
  rows.replaceChildren(...newer.map(each => {
    const row = document.createElement("tr");
    const mine = each.field === "accepted" ? "" : value(each.field);
    for (const text of [each.field, each.new ?? "", mine, `${each.who}, ${each.at}`]) {
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    return row;
  }));
  document.getElementById("mine").onclick = () => {
    seen = [...seen, ...ids];
    conflict.close();
    save(accept);
  };
  say("Not saved: somebody else corrected this segment meanwhile.", "bad");
  conflict.showModal();
}

async function undo() {
  if (busy) return;
  busy = true;
  try {
    const answer = await send(facts.undo, {});
    if (answer.status === 200) go(answer.body.segment);
    else say(answer.body.error || `Nothing was taken back (${answer.status}).`, "bad");
  } catch {
    say("Nothing was taken back: the desk does not answer.", "bad");
  } finally {
    busy = false;
  }
}

const here = () => location.pathname + location.search;

function go(address) {
  leaving = true;
  if (!address || address === here()) location.reload();
  else location.assign(address);
}

// The next of the queue that was not passed over in this window; while browsing the next of the recording.
function following() {
  if (!facts.sample) return facts.next;
  const query = new URLSearchParams([...passed(), facts.segment_id].map(each => ["skip", each]));
  query.set("dialect", sessionStorage.getItem("fangyan-dialect") || "");
  return `${facts.next}?${query}`;
}

const passed = () => JSON.parse(sessionStorage.getItem(SKIPPED) || "[]");

function skip() {
  if (facts.sample) {
    const all = [...new Set([...passed(), facts.segment_id])];
    sessionStorage.setItem(SKIPPED, JSON.stringify(all.slice(-MOST_SKIPPED)));
  }
  if (facts.next) go(following());
  else say("This is the last segment of the recording.");
}

let leaving = false;
addEventListener("beforeunload", event => { if (!leaving && changed().length) event.preventDefault(); });

function escape() {
  if (help.open) help.close();
  else if (document.activeElement !== document.body) document.activeElement.blur();
}

const flip = (name, on, off) => { const field = form.elements[name]; field.value = field.value === on ? off : on; touched(); };

const actions = {
  Space: { run: play }, p: { run: play }, r: { run: again },
  s: { run: () => pace(-1) }, f: { run: () => pace(1) },
  ArrowLeft: { run: () => player.seek(-1), repeats: true }, ArrowRight: { run: () => player.seek(1), repeats: true },
  a: { run: () => save(true) }, "Mod+Enter": { run: () => save(true) }, w: { run: () => save(false) },
  n: { run: skip }, k: { run: () => facts.previous && go(facts.previous) }, z: { run: undo },
  t: { run: () => form.elements.text.focus() }, d: { run: () => flip("keep", "drop", "keep") },
  x: { run: () => { form.elements.unintelligible.checked = !form.elements.unintelligible.checked; touched(); } },
  b: { run: () => boundaries ? loadSegment() : loadContext() },
  1: { run: () => move("start", -SHORT_STEP), repeats: true }, 2: { run: () => move("start", SHORT_STEP), repeats: true },
  3: { run: () => move("end", -SHORT_STEP), repeats: true }, 4: { run: () => move("end", SHORT_STEP), repeats: true },
  o: { run: () => form.elements.note.focus() },
  h: { run: () => help.showModal() }, "?": { run: () => help.showModal() }, Escape: { run: escape },
};
bind(actions);

for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => actions[button.dataset.key].run());
}
for (const button of document.querySelectorAll("[data-use]")) {
  button.addEventListener("click", () => {
    form.elements.text.value = button.dataset.use;
    touched();
    form.elements.text.focus();
  });
}
for (const { element, start } of player.characters) {
  element.addEventListener("click", () => player.again(start));
}
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("input", event => { if (["start", "end"].includes(event.target.name)) marked(); else touched(); });
form.elements.text.addEventListener("keydown", event => {
  // The text is one line; Enter neither saves nor breaks it. While composing it belongs to the input method.
  const composing = event.isComposing || event.keyCode === 229;
  if (event.key === "Enter" && !composing && !event.ctrlKey && !event.metaKey) event.preventDefault();
});
document.getElementById("theirs-stay").addEventListener("click", () => { leaving = true; location.reload(); });
document.getElementById("edit-on").addEventListener("click", () => conflict.close());
document.getElementById("bare").checked = bare();
document.getElementById("bare").addEventListener("change", event => setBare(event.target.checked));
document.getElementById("help-close").addEventListener("click", () => help.close());
player.wave.on("play", () => page.classList.add("playing"));
player.wave.on("pause", () => page.classList.remove("playing"));
page.player = player;
loadSegment().then(() => page.classList.add("ready"));
