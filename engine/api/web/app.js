// The search page. Its state is in the URL: ?q= has the query, #provider:id the chosen GIF.
// Data from outside is inserted as text or as a checked URL, never as markup.

const LIMIT = 12;
const MAX_WORDS_LENGTH = 1000; // characters, as the engine counts them
const MAX_WAITS = 8; // retries while the engine starts
const MIN_WAIT_S = 0.2;
const MAX_WAIT_S = 10;
const COPIED_FOR_MS = 1600;
const RATING_KEY = "deepgif.rating";
const TOKEN_KEY = "deepgif.token";
const EXAMPLES = [
  "happy birthday",
  "mind blown",
  "time for coffee",
  "let's celebrate",
  "a rocket lifts off",
  "it's raining",
];
const FITS = {
  strong: { steps: 3, name: "Strong match" },
  fair: { steps: 2, name: "Fair match" },
  weak: { steps: 1, name: "Weak match" },
};

const byId = (id) => document.getElementById(id);
const box = byId("words");
const rating = byId("rating");
const answerPart = byId("answer");
const tiles = byId("tiles");
const keysDialog = byId("keys-dialog");
const calmer = matchMedia("(prefers-reduced-motion: reduce)");

let answer = null; // what is shown
let chosen = null; // one of answer.results
let paused = calmer.matches;
let pending = null; // the AbortController of the latest request
let token = recall("sessionStorage", TOKEN_KEY);

/** Shown instead of results. */
class Problem extends Error {
  constructor(status, title, detail) {
    super(detail);
    this.status = status;
    this.title = title;
  }
}

// ---- small helpers

function recall(area, key) {
  try {
    return window[area].getItem(key);
  } catch {
    return null; // storage may be blocked
  }
}

function remember(area, key, value) {
  try {
    window[area].setItem(key, value);
  } catch {
    return; // then it is forgotten with the page
  }
}

function say(text) {
  const status = byId("status");
  status.textContent = "";
  requestAnimationFrame(() => { status.textContent = text; });
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

const count = (number, noun) => `${Number(number).toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const keyOf = (gif) => `${gif.provider}:${gif.id}`;
const nameOf = (gif) => gif.title || gif.alt_text || "Untitled GIF";
const altOf = (gif) => gif.alt_text || gif.title || "GIF without description";

function duration(ms) {
  if (ms < 1) return "less than 1 ms";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The absolute URL of a GIF, or null unless it is https or on this engine. */
function urlOfGif(gif) {
  const url = URL.canParse(gif.url, location.href) ? new URL(gif.url, location.href) : null;
  return url && (url.protocol === "https:" || url.origin === location.origin) ? url.href : null;
}

// ---- searching

/** The engine's answer; retries while it starts. Throws Problem, or AbortError if a newer search replaced it. */
async function ask(words, signal) {
  const query = new URLSearchParams({ q: words, limit: LIMIT, max_rating: rating.value });
  for (let waits = 0; ; waits += 1) {
    let response;
    let body;
    try {
      response = await fetch(`/v1/search?${query}`, {
        headers: token ? { Authorization: `Bearer ${token}` } : {},
        signal,
      });
      body = await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (!response) {
        throw new Problem(0, "Can't reach the engine", "Check that it is running, then try again.");
      }
      const detail = `Something other than the engine answered, with status ${response.status}.`;
      throw new Problem(response.status, "Unexpected answer", detail);
    }
    if (response.ok && Array.isArray(body?.results)) return body;
    const retryAfter = response.headers.get("Retry-After");
    if (response.status === 503 && retryAfter !== null && waits < MAX_WAITS) {
      showState("Starting…", "The engine is not ready yet. Your search will run as soon as it is.", { again: false });
      // As long as Retry-After says, and longer each time; a date in it is ignored.
      const wait_s = Math.min(MAX_WAIT_S, Math.max(MIN_WAIT_S, Number(retryAfter) || 0, waits));
      await new Promise((resolve) => { setTimeout(resolve, wait_s * 1000); });
      signal.throwIfAborted();
      continue;
    }
    const [title, detail] = [body?.title ?? "Something went wrong", body?.detail ?? "Please try again."];
    throw new Problem(response.status, String(title), String(detail));
  }
}

/** Searches and shows the results, unless a newer search has started. */
async function search(words, wantedKey = "") {
  pending?.abort();
  const mine = new AbortController();
  pending = mine;
  box.value = words;
  document.title = `${words} – DeepGIF`;
  hint("");
  busy(true);
  say("Searching…");
  try {
    if ([...words].length > MAX_WORDS_LENGTH) {
      const most = MAX_WORDS_LENGTH.toLocaleString("en");
      throw new Problem(400, "Too long", `Use at most ${most} characters.`);
    }
    showAnswer(words, await ask(words, mine.signal), wantedKey);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!(error instanceof Problem)) {
      showState("Unexpected answer", "The page and the engine have different versions. Reload the page.");
      throw error;
    }
    if (error.status === 401) askForToken();
    else showState(error.title, error.message, { again: error.status !== 400 });
  } finally {
    if (!mine.signal.aborted) {
      pending = null;
      busy(false);
    }
  }
}

function busy(now) {
  answerPart.setAttribute("aria-busy", String(now));
  answerPart.inert = now; // its content is about to be replaced
  byId("progress").hidden = !now;
  if (now && document.body.dataset.view === "home") showState("Searching…", "", { again: false, quiet: true });
}

// ---- views: home, state, access or answer

function show(part) {
  document.body.dataset.view = part === "home" ? "home" : "results";
  for (const id of ["home", "state", "access", "answer"]) byId(id).hidden = id !== part;
  byId("motion").hidden = part !== "answer";
  if (part !== "answer") {
    answer = null;
    chosen = null;
    tiles.replaceChildren();
    byId("stage-picture").replaceChildren();
  }
}

function showHome() {
  pending?.abort();
  pending = null;
  byId("progress").hidden = true;
  document.title = "DeepGIF";
  box.value = "";
  hint("");
  show("home");
}

function showState(title, text, { again = true, quiet = false } = {}) {
  show("state");
  byId("state-title").textContent = title;
  byId("state-text").textContent = text.trim();
  byId("again").hidden = !again;
  if (!quiet) say(`${title} ${text}`);
}

function askForToken() {
  show("access");
  const refused = token ? "The engine rejected that token. Check it and try again." : "";
  byId("token-hint").textContent = refused;
  byId("token").value = "";
  byId("token").focus();
  say(refused || "This engine requires a token.");
}

function hint(text) {
  byId("hint").textContent = text;
  if (text) say(text);
}

function showAnswer(words, found, wantedKey) {
  if (found.results.length === 0) {
    showNothing(found);
    return;
  }
  show("answer");
  answer = { ...found, words };
  const notices = (found.notices ?? []).map(String);
  const wanted = answer.results.find((gif) => keyOf(gif) === wantedKey);
  if (wantedKey && !wanted) {
    notices.push("The linked GIF is not among these results. It may have been removed, or its rating is too high.");
  }
  byId("notices").replaceChildren(...notices.map((notice) => element("li", notice)));
  byId("notices").hidden = notices.length === 0;
  byId("count").textContent = `${count(answer.results.length, "GIF")}, best first`;
  byId("effort").textContent = effort(found);
  tiles.replaceChildren(...answer.results.map(tile));
  choose(wanted ?? answer.results[0]);
  const heard = `${count(answer.results.length, "GIF")} found. ${wanted ? "Shown" : "Best"}: ${nameOf(chosen)}.`;
  say([heard, ...notices].join(" "));
}

function effort({ coverage, took_ms, model, attribution }) {
  const all = coverage.embedded >= coverage.total;
  const total = count(coverage.total, "GIF");
  const searched = all ? total : `${coverage.embedded.toLocaleString("en")} of ${total} so far`;
  const thanks = (attribution ?? []).map((line) => ` ${line}.`).join("");
  return `Searched ${searched} in ${duration(took_ms)} with the model “${model}”.${thanks}`;
}

function showNothing({ coverage, notices = [] }) {
  const more = notices.join(" ");
  if (coverage.total === 0) {
    const text = "Index a folder with “deepgif index FOLDER”, then search again.";
    showState("No GIFs yet", `${more} ${text}`);
  } else if (coverage.embedded === 0) {
    const text = `None of the ${count(coverage.total, "GIF")} is indexed yet. Try again in a moment.`;
    showState("Still indexing", `${more} ${text}`);
  } else {
    const text = `None of ${count(coverage.embedded, "GIF")} matches. Try other words, or allow a higher rating.`;
    showState("No GIF found", `${more} ${text}`);
  }
}

// ---- GIFs

/** A GIF that plays, or its first frame on a canvas while GIFs are paused. */
function picture(gif, playing) {
  const frame = document.createElement("span");
  frame.className = "picture";
  const image = new Image();
  image.alt = altOf(gif);
  image.referrerPolicy = "no-referrer";
  image.addEventListener("error", () => {
    const broken = element("span", `This GIF can't be loaded: ${altOf(gif)}`);
    broken.className = "broken";
    frame.replaceChildren(broken);
  });
  if (playing) {
    frame.append(image);
  } else {
    const still = document.createElement("canvas");
    still.setAttribute("role", "img");
    still.setAttribute("aria-label", altOf(gif));
    frame.append(still);
    image.addEventListener("load", () => {
      still.width = image.naturalWidth;
      still.height = image.naturalHeight;
      still.getContext("2d").drawImage(image, 0, 0); // draws the first frame (HTML standard)
    });
  }
  image.src = urlOfGif(gif) ?? "data:,"; // fails, which shows the message above
  return frame;
}

function tile(gif) {
  const made = byId("tile").content.firstElementChild.cloneNode(true);
  const button = made.firstElementChild;
  button.dataset.key = keyOf(gif);
  button.querySelector(".tile-title").textContent = nameOf(gif);
  button.querySelector(".tile-picture").append(picture(gif, !paused));
  button.addEventListener("click", () => {
    choose(gif);
    history.pushState(null, "", urlOf(answer.words, gif));
    say(`Selected: ${nameOf(gif)}. ${FITS[gif.fit]?.name ?? ""}.`);
    byId("stage").scrollIntoView({ block: "nearest" });
  });
  return made;
}

function choose(gif) {
  chosen = gif;
  for (const button of tiles.querySelectorAll(".tile")) {
    if (button.dataset.key === keyOf(gif)) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  showChosen(!paused);
  byId("chosen-title").textContent = nameOf(gif);
  byId("copy-by-hand").hidden = true;
  for (const id of ["copy-link", "copy-markdown"]) byId(id).disabled = urlOfGif(gif) === null;
  const fit = FITS[gif.fit] ?? FITS.weak;
  const meter = byId("meter");
  meter.setAttribute("aria-valuenow", String(fit.steps));
  meter.setAttribute("aria-valuetext", fit.name);
  [...meter.children].forEach((step, place) => step.classList.toggle("on", place < fit.steps));
  byId("fit-name").textContent = fit.name;
  byId("why").textContent = gif.explanation;
  byId("figures").replaceChildren(...figures(gif).map(([name, value]) => {
    const row = document.createElement("div");
    row.append(element("dt", name), element("dd", value));
    return row;
  }));
}

function showChosen(playing) {
  byId("stage-picture").replaceChildren(picture(chosen, playing));
  byId("play").hidden = playing;
}

function figures(gif) {
  return [
    ["Rank", `${answer.results.indexOf(gif) + 1} of ${answer.results.length}`],
    ["Match probability", `${Math.round(100 * gif.confidence)} %`],
    ["Visual similarity", similarity(gif.visual_similarity)],
    ["Text similarity", similarity(gif.text_similarity)],
    ["Indexed", gif.source === "fetched" ? "for this search" : "before this search"],
    ["Rating", String(gif.rating).toUpperCase()],
    ...(gif.width && gif.height ? [["Size", `${gif.width} × ${gif.height} pixels`]] : []),
    ["Source", `${gif.provider}, ${gif.id}`],
    ...(gif.attribution ? [["Credit", gif.attribution]] : []),
  ];
}

function similarity(value) {
  return typeof value === "number" ? `${value.toFixed(2)} (1 is identical, 0 unrelated)` : "not available";
}

function pauseAll(now) {
  paused = now;
  byId("motion").textContent = paused ? "Play GIFs" : "Pause GIFs";
  if (!answer) return;
  [...tiles.querySelectorAll(".tile-picture")].forEach((slot, place) => {
    slot.replaceChildren(picture(answer.results[place], !paused));
  });
  showChosen(!paused);
}

// ---- URLs and copying

function urlOf(words, gif) {
  const hash = gif ? `#${encodeURIComponent(keyOf(gif))}` : "";
  return `/?${new URLSearchParams({ q: words })}${hash}`;
}

const queryInUrl = () => (new URLSearchParams(location.search).get("q") ?? "").trim();

function keyInUrl() {
  const hash = location.hash.slice(1);
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash; // a damaged link: it names no GIF
  }
}

function markdown() {
  const text = altOf(chosen).replace(/\s+/g, " ").replace(/[\\[\]`*_<>!]/g, "\\$&");
  return `![${text}](${urlOfGif(chosen).replace(/\(/g, "%28").replace(/\)/g, "%29")})`;
}

/** Copies the text, or shows it selected if the browser blocks copying. */
async function copy(button, text) {
  byId("copy-by-hand").hidden = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    byId("copy-by-hand").hidden = false;
    byId("copy-text").value = text;
    byId("copy-text").select();
    say("Not copied. The text is selected, so you can copy it yourself.");
    return;
  }
  say("Copied.");
  button.dataset.label ??= button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = button.dataset.label; }, COPIED_FOR_MS);
}

/** Shows what the URL says: at the start, and on back and forward. */
function route() {
  const words = queryInUrl();
  const key = keyInUrl();
  if (!words) {
    showHome();
  } else if (!pending && answer?.words === words) {
    box.value = words;
    choose(answer.results.find((gif) => keyOf(gif) === key) ?? answer.results[0]);
  } else {
    search(words, key);
  }
}

function start(words) {
  const asked = words.trim();
  if (!asked) {
    hint("Describe the GIF first.");
    box.focus();
    return;
  }
  const here = location.pathname + location.search + location.hash;
  if (urlOf(asked) !== here) history.pushState(null, "", urlOf(asked));
  search(asked);
}

// ---- keys

function moveOver(key) {
  const buttons = [...tiles.querySelectorAll(".tile")];
  const place = buttons.indexOf(document.activeElement);
  if (place < 0) {
    (tiles.querySelector("[aria-current]") ?? buttons[0])?.focus();
    return;
  }
  const columns = getComputedStyle(tiles).gridTemplateColumns.split(" ").length;
  const next = place + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (next < 0 && key === "ArrowUp") box.focus();
  else buttons[next]?.focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || keysDialog.open) return;
  const target = event.target;
  const typing = target.matches("input, select, textarea");
  if (event.key === "Escape") {
    event.preventDefault();
    box.focus();
    box.select();
  } else if (event.key.startsWith("Arrow") && answer) {
    const inTiles = tiles.contains(target);
    const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight";
    if (inTiles || (target === box && event.key === "ArrowDown") || (target === document.body && sideways)) {
      event.preventDefault();
      moveOver(event.key);
    }
  } else if (!typing) {
    const act = {
      "/": () => { box.focus(); box.select(); },
      "?": () => keysDialog.showModal(),
      c: () => byId("copy-link").click(),
      p: () => byId("motion").click(),
    }[event.key];
    if (act && (answer || event.key === "/" || event.key === "?")) {
      event.preventDefault();
      act();
    }
  }
}

// ---- wiring

byId("examples").append(...EXAMPLES.map((words) => {
  const button = element("button", words);
  button.type = "button";
  button.addEventListener("click", () => start(words));
  const item = document.createElement("li");
  item.append(button);
  return item;
}));

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  if (matchMedia("(pointer: coarse)").matches) box.blur(); // hides the on-screen keyboard
  start(box.value);
});
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = byId("token").value.trim();
  if (!/^[\x21-\x7e]+$/.test(typed)) {
    byId("token-hint").textContent = "A token has only ASCII letters, digits and punctuation, without spaces.";
    return;
  }
  token = typed;
  remember("sessionStorage", TOKEN_KEY, token);
  route();
});
rating.addEventListener("change", () => {
  remember("localStorage", RATING_KEY, rating.value);
  if (document.body.dataset.view === "results") search(queryInUrl(), keyInUrl());
});
byId("again").addEventListener("click", route);
byId("motion").addEventListener("click", () => {
  pauseAll(!paused);
  say(paused ? "GIFs paused." : "GIFs playing.");
});
byId("play").addEventListener("click", () => showChosen(true));
byId("copy-link").addEventListener("click", (event) => copy(event.currentTarget, urlOfGif(chosen)));
byId("copy-markdown").addEventListener("click", (event) => copy(event.currentTarget, markdown()));
byId("copy-search").addEventListener("click", (event) => {
  copy(event.currentTarget, new URL(urlOf(answer.words, chosen), location.href).href);
});
byId("keys").addEventListener("click", () => keysDialog.showModal());
byId("keys-close").addEventListener("click", () => keysDialog.close());
calmer.addEventListener("change", () => pauseAll(calmer.matches));
addEventListener("popstate", route);
document.addEventListener("keydown", onKey);

const kept = recall("localStorage", RATING_KEY);
if ([...rating.options].some((option) => option.value === kept)) rating.value = kept;
pauseAll(paused);
route();
