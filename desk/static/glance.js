// Opens a found segment in its place: waveform, characters as they are heard, hypotheses, scores, consent, lineage.

import { Player } from "./player.js";

const nonce = document.querySelector("meta[name=style-nonce]").content;
const players = new Set();

async function open(button) {
  const answer = await fetch(button.dataset.look, { credentials: "same-origin" });
  if (!answer.ok) { button.title = `cannot be shown (${answer.status})`; return; }
  const template = document.createElement("template");
  // The server has escaped every word, and no script or style may stand in a page.
  template.innerHTML = await answer.text();
  const glance = template.content.firstElementChild;
  button.closest("li").append(glance);
  button.setAttribute("aria-expanded", "true");
  const player = new Player(glance.querySelector(".wave"), [...glance.querySelectorAll(".ch")], nonce);
  glance.player = player;
  players.add(player);
  player.wave.on("play", () => {
    document.querySelector("[data-play][aria-pressed]")?.click();
    for (const other of players) if (other !== player) other.wave.pause();
  });
  const rate = glance.querySelector(".rate");
  const actions = {
    toggle: () => player.toggle(),
    again: () => player.again(),
    slower: () => { rate.textContent = `${player.step(-1)}×`; },
  };
  for (const each of glance.querySelectorAll("[data-do]")) each.addEventListener("click", actions[each.dataset.do]);
  for (const { element, start } of player.characters) element.addEventListener("click", () => player.again(start));
  try {
    await player.load(glance.dataset.audio, Number(glance.dataset.offset));
    glance.classList.add("ready");
  } catch {
    rate.textContent = "cannot be played";
  }
}

function close(button, glance) {
  players.delete(glance.player);
  glance.player.wave.destroy();
  glance.remove();
  button.setAttribute("aria-expanded", "false");
}

for (const button of document.querySelectorAll("[data-look]")) {
  button.addEventListener("click", async () => {
    const glance = button.closest("li").querySelector(".glance");
    if (glance) { close(button, glance); return; }
    button.disabled = true;
    try {
      await open(button);
    } finally {
      button.disabled = false;
    }
  });
}
