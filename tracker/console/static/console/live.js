// Keeps the list of the live view as the server would draw it now: each product of a cart once, the
// newest add first. What shops send only becomes text nodes.
"use strict";

(() => {
  const EVERY_MS = 2_000;
  const SLOWEST_MS = 60_000;
  const ANSWER_WITHIN_MS = 10_000;
  // A mark is the server's cursor: the page asks for what came after it, or shortly before. After a
  // gap, and each minute, the page asks for the whole list instead. That has adds which came very
  // late, and no adds which were erased.
  const MARK_HOLDS_MS = 10_000;
  const WHOLE_EVERY_MS = 60_000;
  const NEWS_EVERY_MS = 10_000;
  const HIGHLIGHT_MS = 4_000;

  const live = document.getElementById("live");
  const [state, refresh, pause, news, body, empty, template] =
    ["state", "refresh", "pause", "news", "rows", "empty", "row"].map((name) => document.getElementById(`live-${name}`));
  const limit = Number(live.dataset.limit);
  const rows = new Map([...body.rows].map((row) => [row.dataset.id, row]));

  // -- The list ------------------------------------------------------------------------------------

  const isNewer = (add, row) =>
    add.at > row.dataset.at || (add.at === row.dataset.at && add.id > row.dataset.id);

  const draw = (add) => {
    const row = template.content.firstElementChild.cloneNode(true);
    row.dataset.id = add.id;
    row.dataset.at = add.at;
    row.querySelector("time").dateTime = add.at;
    for (const element of row.querySelectorAll("[data-text]")) element.textContent = add[element.dataset.text];
    for (const link of row.querySelectorAll("[data-link]")) link.href = add[link.dataset.link];
    return row;
  };

  const remove = (row) => {
    rows.delete(row.dataset.id);
    row.remove();
  };

  // Returns the row if it is new, else null.
  const put = (add) => {
    const shown = rows.get(add.id);
    if (shown && shown.dataset.at >= add.at) return null;
    if (shown) remove(shown);
    const row = draw(add);
    body.insertBefore(row, [...body.rows].find((other) => isNewer(add, other)) ?? null);
    rows.set(add.id, row);
    return row;
  };

  const highlight = (row) => {
    row.classList.add("is-new");
    setTimeout(() => row.classList.remove("is-new"), HIGHLIGHT_MS);
  };

  const apply = (adds, {whole}) => {
    if (whole) {
      const there = new Set(adds.map((add) => add.id));
      for (const row of [...rows.values()]) if (!there.has(row.dataset.id)) remove(row);
    }
    const added = adds.toReversed().map(put);
    while (rows.size > limit) remove(body.lastElementChild);
    const visible = added.filter((row) => row && row.isConnected);
    visible.forEach(highlight);
    empty.hidden = rows.size > 0;
    announce(visible.length);
  };

  // -- Messages to people --------------------------------------------------------------------------

  let unsaid = 0;
  let saidAt = -Infinity;
  let sayTimer;

  const announce = (count) => {
    unsaid += count;
    clearTimeout(sayTimer);
    if (unsaid === 0) return;
    sayTimer = setTimeout(() => {
      const line = document.createElement("p");
      line.textContent = unsaid === 1 ? "1 new add" : `${unsaid} new adds`;
      news.replaceChildren(line);
      [unsaid, saidAt] = [0, performance.now()];
    }, Math.max(0, saidAt + NEWS_EVERY_MS - performance.now()));
  };

  const say = (words, kind) => {
    live.dataset.state = kind;
    if (state.textContent !== words) state.textContent = words;
  };

  // -- Asking the server ---------------------------------------------------------------------------

  // Reasons for a pause. If there are several, the first one is shown.
  const REASONS = {
    button: "Paused. Press the space bar or the button to continue.",
    hidden: "Paused while this page is not visible.",
    focus: "Paused while a row has the focus. Esc leaves it.",
    pointer: "Paused while the pointer is over the list.",
  };
  const reasons = new Set();
  let mark = live.dataset.mark;
  let lookedAt = performance.now();
  let wholeAt = lookedAt;
  let failures = 0;
  let timer;
  let current = null;

  const isPaused = () => reasons.size > 0;

  const markThatHolds = () => {
    const now = performance.now();
    return now - lookedAt < MARK_HOLDS_MS && now - wholeAt < WHOLE_EVERY_MS ? mark : "";
  };

  const ask = async (after, signal) => {
    const address = after ? `${live.dataset.address}?after=${after}` : live.dataset.address;
    const headers = after ? {"If-None-Match": `"${after}"`} : {};
    const response = await fetch(address, {
      headers, cache: "no-store", redirect: "manual", signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    });
    const found = response.status === 200 ? await response.json() : null;
    return {status: response.type === "opaqueredirect" ? 302 : response.status, found};
  };

  const take = ({status, found}, after) => {
    if (status === 302 || status === 403) throw new Error("logged out");
    if (status === 400) mark = "";  // Made by another version of the server.
    if (status !== 200 && status !== 304) throw new Error(`status ${status}`);
    lookedAt = performance.now();
    if (!after) wholeAt = lookedAt;
    if (!found) return;
    mark = found.mark;
    apply(found.adds, {whole: !after});
  };

  const succeed = () => {
    failures = 0;
    refresh.hidden = true;
    say("Live. New adds appear automatically.", "live");
    timer = setTimeout(look, EVERY_MS);
  };

  const fail = (error) => {
    failures += 1;
    const wait_ms = Math.min(SLOWEST_MS, EVERY_MS * 2 ** failures);
    const isOut = error.message === "logged out";
    refresh.hidden = false;
    refresh.textContent = isOut ? "Log in again" : "Refresh";
    say(
      isOut ? "You are logged out, or may no longer see this page." : `The server does not answer. Trying again in ${wait_ms / 1000} s.`,
      "failing",
    );
    timer = setTimeout(look, wait_ms);
  };

  const look = async () => {
    clearTimeout(timer);
    current?.abort();
    const own = current = new AbortController();
    const after = markThatHolds();
    try {
      const answer = await ask(after, own.signal);
      if (own.signal.aborted) return;
      take(answer, after);
      succeed();
    } catch (error) {
      if (!own.signal.aborted) fail(error);
    }
  };

  const setReason = (name, holds) => {
    const was = isPaused();
    holds ? reasons.add(name) : reasons.delete(name);
    pause.setAttribute("aria-pressed", String(reasons.has("button")));
    if (isPaused()) {
      clearTimeout(timer);
      current?.abort();
      say(Object.entries(REASONS).find(([reason]) => reasons.has(reason))[1], "paused");
    } else if (was) {
      look();
    }
  };

  const toggle = () => setReason("button", !reasons.has("button"));

  pause.addEventListener("click", toggle);
  document.addEventListener("visibilitychange", () => setReason("hidden", document.hidden));
  // Not for touch, which has no hover: a tap would pause the list for good.
  body.addEventListener("pointerenter", (event) => setReason("pointer", event.pointerType === "mouse"));
  body.addEventListener("pointerleave", () => setReason("pointer", false));
  body.addEventListener("focusin", (event) => setReason("focus", event.target.matches(":focus-visible")));
  body.addEventListener("focusout", () => setReason("focus", false));
  document.addEventListener("keydown", (event) => {
    const isFree = !(event.target instanceof Element && event.target.closest("input, textarea, select, button, summary, dialog, [contenteditable]"));
    const isPlain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.repeat);
    if (event.key !== " " || !isFree || !isPlain) return;
    event.preventDefault();
    toggle();
  });

  pause.hidden = false;
  setReason("hidden", document.hidden);
  if (!isPaused()) look();
})();
