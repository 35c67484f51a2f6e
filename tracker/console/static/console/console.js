// The console's keys: "/" goes to the search box, the left and right arrows to the pages of a list.
"use strict";

(() => {
  const isTyping = (target) =>
    target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;

  // On a page that is wider than the screen, the arrow keys scroll.
  const isWide = () => document.documentElement.scrollWidth > document.documentElement.clientWidth;

  const follow = (rel) => {
    const link = isWide() ? null : document.querySelector(`main a[rel="${rel}"]`);
    if (link) link.click();
    return Boolean(link);
  };

  const keys = {
    "/": () => {
      const box = document.getElementById("find-box");
      if (box) box.select();
      return Boolean(box);
    },
    "ArrowLeft": () => follow("prev"),
    "ArrowRight": () => follow("next"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.isComposing) return;
    if (!Object.hasOwn(keys, event.key) || isTyping(event.target)) return;
    if (keys[event.key]()) event.preventDefault();
  });
})();
