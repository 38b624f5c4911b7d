"use strict";
for (const player of document.querySelectorAll("audio[data-same]")) {
  const first = document.getElementById(player.dataset.same);
  if (first) player.src = first.src;
}
document.addEventListener("play", (event) => {
  for (const player of document.querySelectorAll("audio")) {
    if (player !== event.target) player.pause();
  }
}, true);
