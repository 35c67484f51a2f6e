// The console's keys. Off inside inputs, with Ctrl, Alt or the command key held, and for whoever
// has switched them off: single keys get in the way of speech input (WCAG 2.1.4).
"use strict";

(() => {
  const G_LASTS_MS = 1500;
  const STORED = "console.keys";
  const help = document.getElementById("keys");
  const box = document.getElementById("find-box");
  let chosen = null;
  let gUntil = 0;

  const isTyping = (target) =>
    target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;

  const rows = () =>
    [...document.querySelectorAll("#result_list tbody tr, .results tbody tr")].filter((row) => row.querySelector("a"));

  // By the row itself, not by its number: the live view puts others above it.
  const choose = (step) => {
    const all = rows();
    if (all.length === 0) return;
    const at = all.indexOf(chosen);
    chosen = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
    chosen.querySelector("a").focus();
    chosen.scrollIntoView({block: "nearest"});
  };

  const leaveRow = () => {
    if (chosen && chosen.contains(document.activeElement)) document.activeElement.blur();
  };

  const find = () => {
    if (!box) return;
    box.focus();
    box.select();
  };

  const toggleHelp = () => {
    if (help) help.open ? help.close() : help.showModal();
  };

  const go = (key) => {
    const link = help && help.querySelector(`a[data-key="${key}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  };

  const keys = {
    "/": find,
    "j": () => choose(1),
    "k": () => choose(-1),
    "g": () => { gUntil = performance.now() + G_LASTS_MS; },
    "?": toggleHelp,
    "Escape": leaveRow,
  };

  const isOff = () => document.documentElement.dataset.keys === "off";

  // Returns whether the key was one of ours.
  const press = (key) => {
    const follows = performance.now() < gUntil;
    gUntil = 0;
    if (follows && /^[a-z]$/.test(key) && go(key)) return true;
    if (!Object.hasOwn(keys, key)) return false;
    keys[key]();
    return key !== "Escape";  // What else it does, it still does.
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (isOff() || isTyping(event.target)) return;
    if (help && help.open && event.key !== "?") return;
    if (press(event.key)) event.preventDefault();
  });

  const remember = (isOn) => {
    document.documentElement.dataset.keys = isOn ? "on" : "off";
    try {
      localStorage.setItem(STORED, isOn ? "on" : "off");
    } catch { /* Nothing may be stored: then it holds for this page. */ }
  };

  const recall = () => {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return true;
    }
  };

  if (!help) return;  // Before the login.
  const button = document.getElementById("keys-button");
  const isOn = document.getElementById("keys-on");
  button.hidden = false;
  button.addEventListener("click", toggleHelp);
  isOn.checked = recall();
  remember(isOn.checked);
  isOn.addEventListener("change", () => remember(isOn.checked));
})();
