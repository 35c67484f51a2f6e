// The console's keys. Off inside inputs, and with Ctrl, Alt or the command key held.
"use strict";

(() => {
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
  const box = () => document.getElementById("find-box");
  const rows = () => [...document.querySelectorAll("#result_list tbody tr, .results tbody tr")];
  let chosen = -1;
  let goes = false;

  const choose = (step) => {
    const all = rows();
    if (all.length === 0) return;
    chosen = Math.min(all.length - 1, Math.max(0, chosen + step));
    const link = all[chosen].querySelector("a");
    if (link) link.focus();
    all[chosen].scrollIntoView({block: "nearest"});
  };

  const go = (name) => {
    const link = document.querySelector(`#nav-sidebar .model-${name} a`);
    if (link) location.assign(link.href);
  };

  const keys = {
    "/": () => box() && box().focus(),
    "j": () => choose(1),
    "k": () => choose(-1),
    "g": () => { goes = true; setTimeout(() => { goes = false; }, 1000); },
    "?": () => {
      const help = document.getElementById("keys");
      if (help) help.open ? help.close() : help.showModal();
    },
  };
  const places = {l: "live", c: "cart", i: "item", d: "dashboard"};

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    if (goes && event.key in places) {
      goes = false;
      go(places[event.key]);
      event.preventDefault();
    } else if (event.key in keys) {
      keys[event.key]();
      event.preventDefault();
    }
  });
})();
