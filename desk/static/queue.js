// Enter begins with the first task; the dialect that was chosen stays for the walk through the queue.

import { bind } from "./keys.js";

const begin = document.getElementById("begin");
sessionStorage.setItem("fangyan-dialect", document.querySelector(".filter").dataset.dialect);
document.addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.isComposing && event.target === document.body && begin) begin.click();
});
bind({ n: { run: () => begin?.click() } });
