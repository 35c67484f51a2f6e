/*
 * cart-tracker.js: sends the tracker what visitors of a shop put into their carts.
 *
 *   <script src="https://TRACKER/cart-tracker.v1.js" defer></script>
 *
 *   cartTracker.add({product_id, name, price})  a promise of the cart's id. It rejects with an Error
 *                                               that has the members of the problem document
 *   cartTracker.reset()                         after an order: the next add starts a new cart
 *   cartTracker.consent(true | false)           with data-consent="required" in the tag, nothing is
 *                                               sent or stored before consent(true), on each page
 *   cartTracker.code()                          8 hex digits to read out to support, or ""
 *
 * Adds and resets are entries of one queue, in localStorage, which all tabs of the shop share. They
 * go out one at a time, the oldest first, from the tab that has the lock. An entry leaves the queue
 * when its answer has come. If the visitor leaves the page before that, the next page sends it
 * again, which does no harm.
 *
 * script/snippet removes comments and white space from the served file: at most 1,536 bytes.
 */
(() => {
  "use strict";
  if (window.cartTracker) return; // A second tag.

  // Not cart_id: a shop may have a cookie of that name, and a tracker on the same host has one.
  const NAME = "cart_tracker";
  const tag = document.currentScript;
  const url = new URL("items", tag.src).href;

  let allowed = tag.dataset.consent !== "required";

  // -- Which cart: a cookie of the shop's own --------------------------------------------------

  let unkept = ""; // The cart's id, without consent, or if the browser accepts no cookie.

  function cookies(change) {
    try {
      if (change) document.cookie = change;
      return document.cookie;
    } catch {
      return ""; // A sandboxed frame.
    }
  }

  function cart() {
    return (cookies().match(/(?:^|; )cart_tracker=([\da-f-]{36})/i) || [0, unkept])[1];
  }

  /* Makes this the visitor's cart for a year, or with "" forgets it. */
  function keep(id) {
    unkept = "";
    cookies(
      NAME + "=" + id + "; Path=/; SameSite=Lax; Max-Age=" + (id && allowed ? 31536000 : 0) +
        (location.protocol === "https:" ? "; Secure" : "")
    );
    // Only if there is no cookie: else it would stay when another tab resets the cart.
    if (cart() !== id) unkept = id;
    return id;
  }

  /* A UUID of version 7, as the tracker makes them: the time, then random digits. */
  function newId() {
    const time = Date.now().toString(16).padStart(12, "0");
    const rest = "-7000-8000-000000000000".replace(/[08]/g, (digit) =>
      (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16)
    );
    return time.slice(0, 8) + "-" + time.slice(8) + rest;
  }

  // -- The queue: one key for each entry, so that no tab writes over another's -----------------

  const waiting = {}; // key -> the function that settles the promise of this page's entry.
  const memory = {}; // Entries that may not be stored yet, or do not fit.
  let disk = {};
  try {
    disk = localStorage || disk;
  } catch {
    // Blocked: the queue lives as long as the page.
  }

  function write(key, text) {
    try {
      (allowed ? disk : memory)[key] = text;
    } catch {
      memory[key] = text;
    }
  }

  function read(key) {
    return memory[key] || disk[key];
  }

  /* Returns the keys, the oldest first: a key begins with its time. An entry that another tab has
     finished may still be here for a moment; it begins with [, not with {. */
  function keys() {
    return [...Object.keys(memory), ...Object.keys(disk)]
      .filter((key) => key.startsWith(NAME + ".") && read(key)[0] === "{")
      .sort();
  }

  /* Removes an entry. The storage event tells another tab that waits for it. */
  function finish(key, ok, answer) {
    if (waiting[key]) waiting[key]([ok, answer]);
    else write(key, JSON.stringify([ok, answer]));
    delete memory[key];
    delete disk[key];
  }

  /* Puts an entry behind all others: an add's body, or {} for a reset. */
  function enqueue(entry) {
    const promise = new Promise((resolve, reject) => {
      const text = JSON.stringify(entry());
      const queue = keys();
      if (text[2] && queue.length > 99) throw Error("cart-tracker: 100 adds are waiting");
      // The clock may have been set back since the last one.
      const after = +(queue.pop() || "").slice(13, 26) + 1;
      const key = NAME + "." + Math.max(Date.now(), after) + Math.random();
      waiting[key] = ([ok, answer]) =>
        ok ? resolve(answer.cart_id) : reject(Object.assign(Error(answer.detail), answer));
      write(key, text);
    });
    promise.catch(() => {}); // So that a promise that nobody handles is not an error in the console.
    run();
    return promise;
  }

  // -- Sending ---------------------------------------------------------------------------------

  let turn = Promise.resolve();
  let delay = 1e3;
  let sending, timer;

  function limit(ms) {
    const control = new AbortController();
    setTimeout(() => control.abort(), ms);
    return control.signal;
  }

  function post(text, signal) {
    return fetch(text[2] ? url : url + "/reset", {
      method: "POST",
      body: text, // A string needs no preflight, for which a page that is left has no time.
      credentials: "include",
      keepalive: text.length < 2e4, // Browsers refuse 64 KB, and the tracker could not say why.
      signal,
    });
  }

  /* Sends the queue until it is empty, or an answer says to try again later. */
  async function send() {
    while (allowed && !timer && (sending = keys()[0])) {
      const key = sending;
      const text = read(key);
      let response = { status: 500 }; // If there is no network, or no answer in time.
      let answer;
      try {
        response = await post(text, limit(3e4));
        answer = await response.json();
      } catch {}
      if (/408|429|5../.test(response.status)) {
        timer = setTimeout(retry, delay * (0.5 + Math.random()));
        delay = Math.min(delay * 2, 6e4);
        break;
      }
      delay = 1e3;
      const id = JSON.parse(text).cart_id;
      answer = { status: response.status, cart_id: id, ...answer };
      // Not after a reset: it must not bring the old cart back.
      if (response.ok && cart() === id) keep(answer.cart_id);
      finish(key, response.ok, answer);
    }
    sending = 0;
  }

  /* Sends after the sending before, and in one tab at a time. Without a lock, if the page has no
     locks (without HTTPS), or if a frozen tab does not release it. */
  function run() {
    turn = turn
      .then(() => navigator.locks.request(NAME, { signal: limit(4e4) }, send))
      .catch(send);
  }

  /* Ends the wait after a failure. A click does not end it. */
  function retry() {
    clearTimeout(timer);
    timer = 0;
    run();
  }

  /* Sends all that this page waits for at once, when the visitor leaves it. Adds of one product
     are sent as one. Nothing after a reset is sent, because the old cart's cookie is still there. */
  function flush() {
    const last = {};
    for (const key of allowed ? keys() : []) {
      const add = JSON.parse(read(key));
      const same = add.cart_id + add.product_id;
      if (!add.cart_id || (waiting[key] && key !== sending)) last[same] = { ...last[same], ...add };
      if (!add.cart_id) break;
    }
    for (const same in last) post(JSON.stringify(last[same])).catch(() => {});
  }

  addEventListener("pagehide", flush);
  addEventListener("pageshow", retry); // Also when it comes back out of the browser's cache.
  addEventListener("online", retry);
  addEventListener("storage", ({ key, newValue }) => {
    if (newValue && waiting[key]) waiting[key](JSON.parse(newValue));
  });
  run();

  window.cartTracker = {
    add: (item) => enqueue(() => ({ ...item, cart_id: cart() || keep(newId()) })),

    reset() {
      const promise = enqueue(() => ({}));
      keep("");
      return promise;
    },

    code: () => cart().slice(-8),

    consent(given) {
      if (given) {
        allowed = true;
        if (cart() === unkept) keep(unkept);
        for (const key in memory) {
          const text = read(key);
          delete memory[key];
          write(key, text);
        }
        run();
      } else {
        const known = cart() !== unkept;
        for (const key of keys()) finish(key, false, { detail: "cart-tracker: no consent" });
        allowed = false;
        keep("");
        // If there was a cookie here, the tracker has one.
        if (known) turn = turn.then(() => post("{}")).catch(() => {});
      }
    },
  };
})();
