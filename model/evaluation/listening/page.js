"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const player = get("player");
const SCALE = [["很差", "Bad"], ["差", "Poor"], ["一般", "Fair"], ["好", "Good"], ["很好", "Excellent"]];
const COLUMNS = ["test", "listener", "task", "item", "answer", "first", "second", "heard_s", "plays", "position", "answered_at"];
const SPEECH = { yue: "zh-Hant-HK", nan: "zh-Hant-TW" };
let listener = "", answers = {}, trials = [], at = 0;
let heard = {}, plays = 0, listened = 0, playing = "", last = "";

// The order is the listener's own: the same name always gets the same one.
function seeded(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(list, draw) {
  const mixed = [...list];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(draw() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
  }
  return mixed;
}

function arrange() {
  const draw = seeded(`${data.test}/${listener}`);
  const rated = shuffled(Object.keys(data.clips), draw).map((clip) => ({ task: "mos", item: clip, clips: [clip] }));
  const compared = shuffled(Object.keys(data.pairs), draw)
    .map((pair) => ({ task: "ab", item: pair, clips: shuffled(data.pairs[pair], draw) }));
  return [...rated, ...compared];
}

// Storage may be forbidden (private windows, some file:// pages); the test goes on without it, and says so.
function remember() {
  try {
    localStorage.setItem(`fangyan-listening:${data.test}:${listener}`, JSON.stringify({ answers, at }));
  } catch {
    complain("进度无法保存，请一次做完。 Progress cannot be kept here; please finish in one go.");
  }
}

function recall() {
  try {
    return JSON.parse(localStorage.getItem(`fangyan-listening:${data.test}:${listener}`)) || {};
  } catch {
    return {};
  }
}

function complain(words) {
  get("broken").textContent = words;
  get("broken").hidden = false;
}

function button(parent, words, english, press) {
  const made = document.createElement("button");
  made.type = "button";
  const small = document.createElement("span");
  small.lang = "en";
  small.textContent = english;
  made.append(words, " ", small);
  made.addEventListener("click", press);
  parent.append(made);
  return made;
}

function show(number, focus = true) {
  halt();
  at = Math.max(0, Math.min(number, trials.length));
  heard = {}; plays = 0; listened = 0; last = "";
  get("trial").hidden = at === trials.length;
  get("done").hidden = at !== trials.length;
  get("results").hidden = !Object.keys(answers).length;
  get("csv").value = csv();
  if (at === trials.length) {
    finish();
    get("thanks").focus();
    return;
  }
  const trial = trials[at], many = trial.task === "ab";
  get("progress").max = trials.length;
  get("progress").value = Object.keys(answers).length;
  get("count").textContent = `${at + 1} / ${trials.length}`;
  const question = document.createElement("span");
  question.lang = "en";
  question.textContent = many ? "Which one sounds more natural?" : "How natural does it sound?";
  get("question").replaceChildren(many ? "哪一个更自然？ " : "听起来自然吗？ ", question);
  const clip = data.clips[trial.clips[0]];
  get("text").textContent = clip.text;
  get("text").lang = SPEECH[clip.dialect] || "zh-Hans";
  get("players").replaceChildren();
  trial.clips.forEach((each, index) => {
    const name = many ? ` ${"AB"[index]}` : "";
    button(get("players"), `▶ 播放${name}`, `Play${name}`, () => toggle(each)).dataset.clip = each;
  });
  get("choices").replaceChildren();
  get("choices").classList.toggle("scale", !many);
  const offered = many ? trial.clips.map((each, index) => [each, "AB"[index], "更自然", "is more natural"])
    : SCALE.map(([words, english], index) => [String(index + 1), String(index + 1), words, english]);
  for (const [value, letter, words, english] of offered) {
    const made = button(get("choices"), words, english, () => answer(value));
    const strong = document.createElement("b");
    strong.textContent = letter;
    made.prepend(strong);
    made.dataset.value = value;
  }
  get("back").setAttribute("aria-disabled", String(at === 0));
  paint();
  if (focus) get("question").focus();
}

// The end is reached by skipping too: thanks are for a finished test, else it says how many are left.
function finish() {
  const left = trials.filter((trial) => !answers[trial.item]).length;
  const words = left ? `还有 ${left} 题没有做，一共 ${trials.length} 题。 ` : "做完了，谢谢！ ";
  const small = document.createElement("span");
  small.lang = "en";
  small.textContent = left ? `${left} of ${trials.length} not answered yet.` : "All done, thank you!";
  get("thanks").replaceChildren(words, small);
  get("send").hidden = left === trials.length;
  get("unanswered").hidden = !left;
}

function paint() {
  const trial = trials[at];
  if (!trial) return;
  const missing = trial.clips.filter((clip) => !heard[clip]);
  const given = answers[trial.item];
  for (const each of get("players").children) {
    each.setAttribute("aria-pressed", String(each.dataset.clip === playing));
  }
  for (const each of get("choices").children) {
    each.setAttribute("aria-pressed", String(!!given && given.answer === each.dataset.value));
    each.setAttribute("aria-disabled", String(missing.length > 0));
  }
  const words = trial.task === "ab" ? "先把两个都听完。 Listen to both first." : "先听一遍。 Listen first.";
  get("hint").textContent = missing.length ? words : "";
}

// A clip always starts at its beginning, so where the player stands is how much was heard.
function halt() {
  player.pause();
  if (playing) listened += player.currentTime;
  playing = "";
}

function toggle(clip) {
  if (playing === clip) {
    halt();
    paint();
    return;
  }
  halt();
  playing = last = clip;
  player.src = data.clips[clip].source;
  plays += 1;
  player.play().catch((error) => {
    // Stopped, or another clip begun, before this one could start.
    if (error.name === "AbortError") return;
    playing = "";
    complain("这个浏览器放不了这段声音。 This browser cannot play the clip.");
    paint();
  });
  paint();
}

function next() {
  const clips = trials[at].clips;
  if (playing) return clips.length > 1 ? toggle(clips.find((clip) => clip !== playing)) : toggle(playing);
  return toggle(clips.find((clip) => !heard[clip]) || clips.find((clip) => clip !== last) || clips[0]);
}

function answer(value) {
  const trial = trials[at];
  if (trial.clips.some((clip) => !heard[clip])) {
    paint();
    return;
  }
  halt();
  answers[trial.item] = {
    task: trial.task, answer: value, first: trial.clips[0], second: trial.clips[1] || "",
    heard_s: listened.toFixed(2), plays, position: at + 1, answered_at: new Date().toISOString(),
  };
  const open = trials.findIndex((each, index) => index > at && !answers[each.item]);
  const left = trials.findIndex((each) => !answers[each.item]);
  show(open >= 0 ? open : left >= 0 ? left : trials.length);
  remember();
}

function csv() {
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const rows = trials.filter((trial) => answers[trial.item])
    .map((trial) => ({ test: data.test, listener, item: trial.item, ...answers[trial.item] }));
  return [COLUMNS, ...rows.map((row) => COLUMNS.map((name) => cell(String(row[name]))))]
    .map((row) => `${row.join(",")}\r\n`).join("");
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", csv()], { type: "text/csv;charset=utf-8" }));
  link.download = `listening-${data.test}-${listener.replaceAll(" ", "_")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

get("start").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = get("name").value.trim();
  // A name that begins otherwise could become a formula in a spreadsheet.
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u.test(name)) {
    complain("代号只能用字母、数字和汉字。 Letters and digits only, please.");
    return;
  }
  get("broken").hidden = true;
  listener = name;
  trials = arrange();
  const kept = recall();
  answers = Object.fromEntries(Object.entries(kept.answers || {}).filter(([item]) => trials.some((each) => each.item === item)));
  get("start").hidden = true;
  const open = trials.findIndex((each) => !answers[each.item]);
  show(open < 0 ? trials.length : open);
  remember();
});
player.addEventListener("ended", () => {
  heard[playing] = true;
  halt();
  paint();
});
get("back").addEventListener("click", () => show(at - 1));
get("forward").addEventListener("click", () => show(at + 1));
get("unanswered").addEventListener("click", () => show(trials.findIndex((trial) => !answers[trial.item])));
get("export").addEventListener("click", save);
document.addEventListener("keydown", (event) => {
  if (!listener || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, textarea")) return;
  if (event.key === "ArrowLeft") { event.preventDefault(); show(at - 1); return; }
  if (at === trials.length) return;
  if (event.key === "ArrowRight") { event.preventDefault(); show(at + 1); return; }
  const trial = trials[at], letter = "ab".indexOf(event.key.toLowerCase());
  if (event.key === " ") {
    event.preventDefault();
    if (!event.repeat) next();
  } else if (trial.task === "mos" && /^[1-5]$/.test(event.key)) {
    answer(event.key);
  } else if (trial.task === "ab" && letter >= 0) {
    answer(trial.clips[letter]);
  }
});
