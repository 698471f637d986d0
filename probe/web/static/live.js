// Keeps the page current: loads it again every few seconds and puts the parts marked `data-live` in place.
// Pauses while nobody looks, and says so when there is no answer: an old page must not pass for a new one.
"use strict";

(() => {
  const USUAL = 5000, SLOWEST = 60000, PATIENCE = 10000; // ms
  const form = document.getElementById("filter");
  const trouble = document.getElementById("trouble");
  const said = document.getElementById("said");
  let timer = 0, asking = null, delay = USUAL, lastSeen = Date.now();

  document.documentElement.classList.add("alive");

  function later(wait) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, wait);
  }

  async function refresh() {
    if (asking) asking.abort();
    const mine = asking = new AbortController();
    const patience = setTimeout(() => mine.abort("no answer in time"), PATIENCE);
    try {
      const answer = await fetch(location.href, {signal: mine.signal, headers: {Accept: "text/html"}});
      if (!answer.ok && answer.status !== 404) throw new Error("status " + answer.status);
      const text = await answer.text();
      if (mine === asking) show(new DOMParser().parseFromString(text, "text/html"));
    } catch (error) {
      if (mine === asking) fail();
    } finally {
      clearTimeout(patience);
      if (mine === asking) { asking = null; later(delay); }
    }
  }

  function show(fresh) {
    lastSeen = Date.now();
    delay = USUAL;
    trouble.hidden = true;
    document.documentElement.classList.remove("stale");
    if (fresh.body.dataset.version !== document.body.dataset.version) return location.reload();
    if (!getSelection().isCollapsed) return; // somebody is copying a line
    replace(fresh);
    if (document.title !== fresh.title) {
      document.title = fresh.title;
      said.textContent = fresh.title.split(" · ")[0];
    }
    const icon = document.getElementById("icon"), next = fresh.getElementById("icon");
    if (icon && next && icon.getAttribute("href") !== next.getAttribute("href")) icon.setAttribute("href", next.getAttribute("href"));
    // What was asked is what came; only what has been typed since then is filtered here.
    if (form && form.elements.q.value !== (new URLSearchParams(location.search).get("q") || "")) narrow();
  }

  function replace(fresh) {
    const live = document.querySelectorAll("[data-live]");
    if (document.querySelector("main [data-live]") && !fresh.querySelector("main [data-live]")) return location.reload(); // the check is gone
    const focus = document.activeElement && document.activeElement.getAttribute("href");
    for (const old of live) {
      const part = fresh.getElementById(old.id);
      if (!part) continue;
      for (const open of old.querySelectorAll("details[id][open]")) {
        const same = fresh.getElementById(open.id); // what somebody has opened stays open
        if (same) same.open = true;
      }
      old.replaceWith(document.adoptNode(part));
    }
    if (!focus || document.activeElement !== document.body) return;
    for (const link of document.querySelectorAll("[data-live] a")) {
      if (link.getAttribute("href") === focus) { link.focus({preventScroll: true}); break; }
    }
  }

  function fail() {
    delay = Math.min(delay * 2, SLOWEST);
    document.documentElement.classList.add("stale");
    trouble.hidden = false;
    trouble.textContent = "No answer from Probe for " + Math.round((Date.now() - lastSeen) / 1000) + " s: below is what it last said.";
  }

  // The rows at hand are filtered at once; the server then looks through all the others.
  function narrow() {
    if (!form) return;
    const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.querySelectorAll("#checks tbody tr")) {
      const text = (row.textContent + "\n" + row.dataset.also).toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  }

  function ask() {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) asked.set(name, value);
    const search = asked.toString();
    history.replaceState(null, "", search ? "/?" + search : "/");
    refresh();
  }

  if (form) {
    let typing = 0;
    form.addEventListener("input", () => {
      narrow();
      clearTimeout(typing);
      typing = setTimeout(ask, 200);
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); ask(); });
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !event.target.closest("input, select, textarea")) { event.preventDefault(); form.elements.q.focus(); }
    });
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer); else refresh();
  });
  later(USUAL);
})();
