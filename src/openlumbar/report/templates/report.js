"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  document.documentElement.classList.add("js");
  /* A spine bends out of a slice: rulers are shown on slices as near as this, in millimetres. */
  const NEARBY = 8;

  /* A sagittal block or an axial series: its slices, outlines, rulers, and its grey levels. */
  class Viewer {
    constructor(figure, board) {
      this.figure = figure;
      this.board = board;
      this.key = figure.id;
      this.column = figure.dataset.column;
      this.stage = one(".stage", figure);
      this.pictures = all(".slices img", figure);
      this.outlines = all(".labels .slide", figure);
      this.names = all(".names text", figure);
      this.rulers = all("g.measure", figure);
      this.slider = one(".page", figure);
      this.transfer = all("feFuncR, feFuncG, feFuncB", figure);
      this.first = Number(figure.dataset.first);
      this.window = figure.dataset.window.split(" ").map(Number);
      this.slide = this.first;
      this.groups = new Set();
      /* Numbers and lines of tables beside the picture that are of one slice. */
      this.beside = all(`.glance[data-column="${CSS.escape(this.column)}"] [data-slide]`, board.root);
      this.charts = all(`.glance[data-column="${CSS.escape(this.column)}"] .chart`, board.root);
      this.stacks = all(`.glance[data-column="${CSS.escape(this.column)}"] .stack-chart`, board.root);
      this.ways = all(`.glance[data-column="${CSS.escape(this.column)}"] [data-go]`, board.root);
      this.maps = all(".activation .slide", figure);
      this.lines = all(`.locator[data-of="${this.key}"] line`, board.root);
      this.apart = Number(figure.dataset.apart);
      this.reach = 0;
    }

    get count() { return this.outlines.length; }

    show(slide) {
      this.slide = clamp(slide, 0, this.count - 1);
      this.slider.value = this.slide;
      for (const element of [...this.pictures, ...this.outlines, ...this.maps, ...this.beside, ...this.lines]) {
        element.classList.toggle("on", Number(element.dataset.slide) === this.slide);
      }
      const current = this.outlines[this.slide].dataset;
      const seen = new Set(current.names.split(" "));
      for (const name of this.names) name.classList.toggle("off", !seen.has(name.dataset.of));
      one(".where", this.figure).textContent = current.title;
      this.slider.setAttribute("aria-valuetext", current.title);
      for (const chart of this.charts) one(".cursor", chart).style.top = `${heights(chart)[this.slide]}%`;
      for (const stack of this.stacks) one(".cursor", stack).style.left = `${shares(stack.dataset.lefts)[this.slide]}%`;
      this.lay();
    }

    /* Rulers lie on their own slice, and are faint on those nearby. */
    lay() {
      for (const ruler of this.rulers) {
        const away = this.apart * Math.abs(Number(ruler.dataset.slide) - this.slide);
        ruler.classList.toggle("on", away === 0);
        ruler.classList.toggle("show", this.groups.has(ruler.dataset.group) && away <= this.reach);
        ruler.classList.toggle("near", away > 0);
      }
    }

    /* Linear from black to white; the filter clips what lies outside. */
    grey(black, white) {
      const width = Math.max(white - black, 2);
      for (const channel of this.transfer) {
        channel.setAttribute("slope", 255 / width);
        channel.setAttribute("intercept", -black / width);
      }
    }
  }

  /* How far below the top of a chart each slice stands, in per cent. */
  const shares = (words) => words.trim().split(" ").map(Number);
  const heights = (chart) => shares(chart.dataset.heights);
  const nearest = (places, at) => {
    const away = places.map((place) => Math.abs(place - at));
    return away.indexOf(Math.min(...away));
  };

  /* Pictures of one plane, with their switches and the numbers beside them. */
  class Board {
    constructor(root) {
      this.root = root;
      this.pictures = one(".pictures", root);
      this.viewers = all(".viewer", root).map((figure) => new Viewer(figure, this));
      this.viewer = this.viewers.find((v) => v.figure.classList.contains("on"));
      this.knob = { level: one("[data-brightness]", root), width: one("[data-contrast]", root) };
      /* Sliders in the middle are the greys that the report opens with. */
      this.greys = new Map(this.viewers.map((viewer) => [viewer, { level: 128, width: 50 }]));
    }

    open(viewer) {
      this.viewer = viewer;
      for (const other of this.viewers) other.figure.classList.toggle("on", other === viewer);
      for (const found of all(".locator", this.root)) found.classList.toggle("on", found.dataset.of === viewer.key);
      for (const tab of all("[data-viewer]", this.root)) {
        const selected = tab.dataset.viewer === viewer.key;
        tab.setAttribute("aria-selected", String(selected));
        tab.tabIndex = selected ? 0 : -1;
      }
      const tables = all(".glance", this.root);
      const known = tables.some((table) => table.dataset.column === viewer.column);
      for (const table of tables) {
        table.classList.toggle("on", known ? table.dataset.column === viewer.column : table === tables[0]);
      }
      this.sliders();
    }

    regrey() {
      const setting = this.greys.get(this.viewer);
      setting.level = Number(this.knob.level.value);
      setting.width = Number(this.knob.width.value);
      const [black, white] = this.viewer.window;
      const width = (white - black) * 2 ** ((50 - setting.width) / 18);
      const middle = (black + white) / 2 + (128 - setting.level) * 0.9;
      this.viewer.grey(middle - width / 2, middle + width / 2);
    }

    sliders() {
      const setting = this.greys.get(this.viewer);
      this.knob.level.value = setting.level;
      this.knob.width.value = setting.width;
    }
  }

  const boards = all(".board").map((root) => new Board(root));
  const viewers = boards.flatMap((board) => board.viewers);
  const byCell = new Map();
  for (const viewer of viewers) {
    for (const ruler of viewer.rulers) byCell.set(ruler.dataset.cell, { viewer, ruler });
  }
  const state = { kept: "", back: null };

  /* The number under the pointer, or the one that was clicked. */
  function mark(key, kept) {
    for (const element of all(".hot, .kept")) element.classList.remove("hot", "kept");
    for (const viewer of viewers) {
      one(".read", viewer.figure).textContent = viewer.stage.getAttribute("aria-label").split(":")[0];
    }
    for (const viewer of viewers) viewer.figure.classList.toggle("focused", byCell.has(key));
    if (!key) return;
    for (const element of all(`[data-cell="${CSS.escape(key)}"]`)) {
      element.classList.add("hot");
      if (kept && element.classList.contains("num")) element.classList.add("kept");
    }
    read(key);
  }

  /* What a number says stands under the picture beside it. */
  function read(key) {
    const button = one(`.num[data-cell="${CSS.escape(key)}"]`);
    const board = boards.find((candidate) => candidate.root.contains(button));
    if (!board || !board.viewer) return;
    const line = one(".read", board.viewer.figure);
    const [text, ...reasons] = button.getAttribute("aria-label").split(". ");
    line.textContent = text + " ";
    if (reasons.length || !byCell.has(key)) {
      const doubt = document.createElement("em");
      doubt.textContent = reasons.join(". ") || (board.viewer.charts.length ? "" : "No line to draw.");
      line.append(doubt);
    }
  }

  function look(key) {
    const found = byCell.get(key);
    if (!found) return;
    if (found.viewer !== found.viewer.board.viewer) found.viewer.board.open(found.viewer);
    found.viewer.show(Number(found.ruler.dataset.slide));
  }

  /* Pointing shows for as long as it lasts; clicking keeps. */
  function point(key) {
    if (!state.back) {
      state.back = boards.filter((board) => board.viewer)
        .map((board) => ({ board, viewer: board.viewer, slide: board.viewer.slide }));
    }
    look(key);
    mark(key, key === state.kept);
  }

  function leave() {
    for (const { board, viewer, slide } of state.back || []) {
      if (viewer !== board.viewer) board.open(viewer);
      if (viewer.slide !== slide) viewer.show(slide);
    }
    state.back = null;
    mark(state.kept, true);
  }

  function keep(key) {
    state.back = null;
    state.kept = state.kept === key ? "" : key;
    if (state.kept) look(key);
    mark(state.kept, true);
    history.replaceState(null, "", state.kept ? `#${key}` : location.pathname + location.search);
  }

  function numbers() {
    let wait = 0;
    for (const button of all(".num, button.finding")) {
      const key = button.dataset.cell;
      button.addEventListener("pointerenter", (event) => {
        if (event.pointerType !== "mouse") return;
        clearTimeout(wait);
        wait = setTimeout(() => point(key), 90);
      });
      button.addEventListener("pointerleave", (event) => {
        if (event.pointerType !== "mouse") return;
        clearTimeout(wait);
        wait = setTimeout(() => { if (state.back) leave(); }, 60);
      });
      button.addEventListener("click", () => {
        clearTimeout(wait);
        keep(key);
        if (state.kept && matchMedia("(max-width: 1020px)").matches) {
          one(".pictures", button.closest(".board")).scrollIntoView({ block: "start" });
        }
      });
    }
    addEventListener("keydown", (event) => { if (event.key === "Escape" && state.kept) keep(state.kept); });
  }

  function tips() {
    const tip = one("#tip");
    const follow = (event, text) => {
      tip.textContent = text;
      tip.hidden = false;
      const left = clamp(event.clientX + 14, 4, innerWidth - tip.offsetWidth - 4);
      tip.style.left = `${left}px`;
      tip.style.top = `${clamp(event.clientY + 16, 4, innerHeight - tip.offsetHeight - 4)}px`;
    };
    for (const viewer of viewers) {
      viewer.stage.addEventListener("pointermove", (event) => {
        const ruler = event.target.closest && event.target.closest("g.measure");
        const name = event.target.dataset && event.target.dataset.name;
        if (ruler) {
          mark(ruler.dataset.cell, ruler.dataset.cell === state.kept);
          follow(event, ruler.dataset.label);
        } else {
          if (!tip.hidden) mark(state.kept, true);
          if (name) follow(event, name); else tip.hidden = true;
        }
      });
      viewer.stage.addEventListener("pointerleave", () => { tip.hidden = true; mark(state.kept, true); });
      viewer.stage.addEventListener("click", (event) => {
        const ruler = event.target.closest && event.target.closest("g.measure");
        if (ruler) keep(ruler.dataset.cell);
      });
    }
  }

  /* Wheel, keys and touch change the slice; dragging with the mouse changes the greys. */
  function paging() {
    for (const viewer of viewers) {
      let turned = 0;
      viewer.stage.addEventListener("wheel", (event) => {
        if (event.ctrlKey) return;
        event.preventDefault();
        turned += event.deltaY * (event.deltaMode ? 30 : 1);
        if (Math.abs(turned) < 30) return;
        viewer.show(viewer.slide + Math.sign(turned));
        turned = 0;
      }, { passive: false });
      viewer.slider.addEventListener("input", () => viewer.show(Number(viewer.slider.value)));
      viewer.stage.addEventListener("keydown", (event) => {
        const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -3, PageDown: 3 }[event.key];
        const slide = { Home: 0, End: viewer.count - 1 }[event.key] ?? viewer.slide + step;
        if (Number.isNaN(slide)) return;
        event.preventDefault();
        viewer.show(slide);
      });
      dragging(viewer);
    }
  }

  function dragging(viewer) {
    let from = null;
    viewer.stage.addEventListener("pointerdown", (event) => {
      if (event.button === 0) {
        const knob = viewer.board.knob;
        from = { x: event.clientX, y: event.clientY, slide: viewer.slide, level: knob.level.value, width: knob.width.value };
      }
    });
    viewer.stage.addEventListener("pointermove", (event) => {
      if (!from || !(event.buttons & 1)) return;
      const [right, down] = [event.clientX - from.x, event.clientY - from.y];
      if (Math.hypot(right, down) < 5) return;
      if (event.pointerType === "mouse") {
        viewer.board.knob.level.value = Number(from.level) - down * 0.5;
        viewer.board.knob.width.value = Number(from.width) + right * 0.15;
        viewer.board.regrey();
      } else {
        viewer.show(from.slide + Math.round(right / 24));
      }
    });
    addEventListener("pointerup", () => { from = null; });
    addEventListener("pointercancel", () => { from = null; });
  }

  function tools(board) {
    const { root } = board;
    for (const element of Object.values(board.knob)) element.addEventListener("input", () => board.regrey());
    one("[data-reset]", root).addEventListener("click", () => {
      board.knob.level.value = 128;
      board.knob.width.value = 50;
      board.regrey();
      board.viewer.show(board.viewer.first);
    });
    const opacity = one("[data-opacity]", root);
    opacity.addEventListener("input", () => board.pictures.style.setProperty("--fill", opacity.value / 100));
    for (const box of all("[data-toggle]", root)) {
      const apply = () => {
        const on = box.checked !== ("inverse" in box.dataset);
        board.pictures.classList.toggle(box.dataset.toggle, on);
        if (box.dataset.toggle === "nearby") {
          for (const viewer of board.viewers) { viewer.reach = on ? NEARBY : 0; viewer.lay(); }
        }
      };
      box.addEventListener("change", apply);
      apply();
    }
    for (const box of all("input[data-group]", root)) {
      const apply = () => {
        for (const viewer of board.viewers) {
          viewer.groups[box.checked ? "add" : "delete"](box.dataset.group);
          viewer.lay();
        }
      };
      box.addEventListener("change", apply);
      apply();
    }
    const tabs = all("[data-viewer]", root);
    for (const [place, tab] of tabs.entries()) {
      tab.addEventListener("click", () => {
        state.back = null;
        board.open(board.viewers.find((v) => v.key === tab.dataset.viewer));
      });
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step) return;
        const next = tabs[(place + step + tabs.length) % tabs.length];
        next.focus();
        next.click();
      });
    }
  }

  /* Names of slices in tables, and charts along the spine, lead to their slice. */
  function ways() {
    for (const viewer of viewers) {
      for (const button of viewer.ways) {
        button.addEventListener("click", () => viewer.show(Number(button.dataset.go)));
      }
      for (const line of viewer.lines) {
        line.addEventListener("click", () => viewer.show(Number(line.dataset.slide)));
      }
      for (const chart of viewer.charts) {
        chart.addEventListener("click", (event) => {
          const box = chart.getBoundingClientRect();
          viewer.show(nearest(heights(chart), 100 * (event.clientY - box.top) / box.height));
        });
      }
      for (const stack of viewer.stacks) {
        stack.addEventListener("click", (event) => {
          const box = stack.getBoundingClientRect();
          viewer.show(nearest(shares(stack.dataset.lefts), 100 * (event.clientX - box.left) / box.width));
        });
      }
    }
  }

  /* Level sections open when they are linked to, and all of them on paper. */
  function sections() {
    const levels = all("details.level");
    const button = one("[data-open-all]");
    if (button) {
      button.addEventListener("click", () => {
        const opening = button.getAttribute("aria-expanded") !== "true";
        for (const level of levels) level.open = opening;
        button.setAttribute("aria-expanded", String(opening));
        button.textContent = opening ? "Close all" : "Open all";
      });
    }
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = all("details:not([open])");
      for (const element of closed) element.open = true;
    });
    addEventListener("afterprint", () => { for (const element of closed) element.open = false; });
  }

  function arrive() {
    const key = decodeURIComponent(location.hash.slice(1));
    const target = key && document.getElementById(key);
    if (target && target.matches("details")) {
      target.open = true;
      target.scrollIntoView();
    } else if (key && key !== state.kept && one(`.num[data-cell="${CSS.escape(key)}"]`)) {
      keep(key);
    }
  }

  numbers();
  for (const board of boards) {
    if (board.viewers.length) {
      tools(board);
      for (const viewer of board.viewers) viewer.show(viewer.first);
      board.open(board.viewer);
    } else {
      for (const table of all(".glance", board.root)) table.classList.add("on");
    }
  }
  tips();
  paging();
  ways();
  sections();
  addEventListener("hashchange", arrive);
  arrive();
})();
