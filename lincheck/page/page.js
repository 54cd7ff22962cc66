'use strict';
(() => {
  const data = JSON.parse(document.getElementById('history-json').textContent);
  const $ = (id) => document.getElementById(id);
  const SVG = 'http://www.w3.org/2000/svg';

  // ---- The history ----------------------------------------------------------------------------------------------------
  const ROLES = ['other', 'core', 'context'];
  const ops = data.ops.map((o, i) => ({
    i, client: o[0], key: data.keys[o[1]], t0: o[2], t1: o[3], call: o[4], result: o[5], role: ROLES[o[6]],
    // In words of the model's own, or as any call.
    own: o[7] !== undefined, text: o[7] ?? o[4] + (o[5] === null ? '' : ' = ' + o[5]),
  }));
  const isWrong = data.verdict === 'false';
  if (isWrong && data.blocked >= 0) ops[data.blocked].role = 'blocked';
  const core = ops.filter((o) => o.role !== 'other').sort((a, b) => a.t0 - b.t0 || a.i - b.i);
  const members = core.filter((o) => o.role === 'core' || o.role === 'blocked');
  // Of a long list those around the operation that cannot be placed, most of them before it.
  const around = (list, most) => {
    const blocked = list.findIndex((o) => o.role === 'blocked'), at = blocked < 0 ? list.length - 1 : blocked;
    const from = Math.max(0, Math.min(at - Math.floor(most * 0.8), list.length - most));
    return list.slice(from, from + most);
  };
  const events = data.events.map((e) => ({kind: e[0], t0: e[1], t1: e[2], node: e[3], text: e[4]}));
  // Where no leader's end is told, each leads until the next one.
  const endsTold = events.some((e) => e.kind === 'leader' && e.t1 !== null);
  for (const [i, e] of events.entries()) {
    if (e.kind !== 'leader' || endsTold) continue;
    const next = events.slice(i + 1).find((f) => f.kind === 'leader' && f.node !== e.node);
    if (next) e.t1 = Math.max(next.t0, e.t0);
  }
  const ends = ops.length === 0 ? [0] : [];
  for (const o of ops) { ends.push(o.t0); if (o.t1 !== null) ends.push(o.t1); }
  if (data.shown === data.total) for (const e of events) { ends.push(e.t0); if (e.t1 !== null) ends.push(e.t1); }
  const first = ends.reduce((a, b) => Math.min(a, b), Infinity);
  const last = Math.max(ends.reduce((a, b) => Math.max(a, b), -Infinity), first + 1);

  // ---- Words ----------------------------------------------------------------------------------------------------------
  const NS = {ns: 1, us: 1e3, ms: 1e6};
  const duration = (t) => {
    if (data.unit === 'order' || t === 0) return String(t);
    const ns = t * NS[data.unit];
    const [scale, name] = ns >= 1e9 ? [1e9, 's'] : ns >= 1e6 ? [1e6, 'ms'] : ns >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
    return String(+(ns / scale).toPrecision(ns >= scale * 1000 ? 7 : 4)) + ' ' + name;
  };
  // Long values are told from each other by their ends; padding says nothing.
  const brief = (text, most) => {
    const short = text.replace(/(.)\1{9,}/gu, '$1$1$1…');
    return short.length <= most ? short : short.slice(0, Math.ceil(most * 0.6)) + '…' + short.slice(-Math.floor(most * 0.3));
  };
  const origin = BigInt(data.origin);
  const far = origin > 1000000000000n || origin < -1000000000000n;
  // Moments are as in the file, in a unit that suits them; dates count from the first one in the page.
  const span = (last - first) * (NS[data.unit] || 1);
  const [momentScale, momentUnit] = span >= 1e9 ? [1e9, 's'] : span >= 1e6 ? [1e6, 'ms'] : span >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  const EXACT = {s: {ns: 9, us: 6, ms: 3}, ms: {ns: 6, us: 3, ms: 0}, 'µs': {ns: 3, us: 0}, ns: {ns: 0}};
  const plain = !far && Math.abs(Number(origin)) + last < 1e6;
  const moment = (t) => {
    if (data.unit === 'order') return String(origin + BigInt(t));
    if (plain) return `${origin + BigInt(t)} ${data.unit.replace('us', 'µs')}`;
    return `${(((far ? 0 : Number(origin)) + t) * NS[data.unit] / momentScale).toFixed(EXACT[momentUnit][data.unit] ?? 0)} ${momentUnit}`;
  };
  // On the axis with as many digits as its step needs.
  const axisMoment = (t, stride) => {
    if (data.unit === 'order') return String(Number(origin) + t);
    if (plain) return `${+(Number(origin) + t).toFixed(Math.max(0, -Math.floor(Math.log10(stride) + 1e-9)))} ${data.unit.replace('us', 'µs')}`;
    const ns = (far ? t : Number(origin) + t) * NS[data.unit], digits = Math.max(0, -Math.floor(Math.log10(stride * NS[data.unit] / momentScale) + 1e-9));
    return `${(ns / momentScale).toFixed(Math.min(digits, 9))} ${momentUnit}`;
  };
  const inWords = (o) => `Client ${o.client} called ${o.own && o.t1 !== null ? o.text : o.call}` + (o.t1 === null
    ? ' and never learnt what became of it: it may have taken effect at any time since, or not at all.'
    : o.own ? '.' : o.result === null ? ' and was told that it was done.' : ` and was told ${o.result}.`);
  const whenWords = (o) => (o.t1 === null ? `invoked at ${moment(o.t0)}, never returned`
    : `invoked at ${moment(o.t0)}, returned at ${moment(o.t1)}` + (data.unit === 'order' ? '' : `: ${duration(o.t1 - o.t0)}`));
  const roleWords = {
    core: 'Part of the counter-example.', blocked: 'The operation that cannot be placed.',
    context: 'Counts as if nobody had learnt what became of it: whenever it took effect, if at all, the counter-example holds.',
    other: '',
  };

  const rowWords = {context: ' Whether and when it took effect does not matter here.'};

  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes || {})) {
      if (k.startsWith('on')) node.addEventListener(k.slice(2), v);
      else if (v !== null && v !== undefined) node.setAttribute(k, v);
    }
    node.append(...children.filter((c) => c !== null && c !== undefined));
    return node;
  };
  const draw = (tag, attributes, ...children) => {
    const node = document.createElementNS(SVG, tag);
    for (const [k, v] of Object.entries(attributes || {})) node.setAttribute(k, v);
    node.append(...children);
    return node;
  };
  const ruler = document.createElement('canvas').getContext('2d');
  const widthOf = (text, font) => { ruler.font = font; return ruler.measureText(text).width; };
  const MONO = '12.5px ui-monospace, "DejaVu Sans Mono", monospace';
  const SANS = '12px system-ui, "DejaVu Sans", sans-serif';
  const fit = (text, room, font) => {
    text = brief(text, 300);
    if (widthOf(text, font) <= room) return text;
    let low = 0, high = text.length;
    while (low < high) {
      const half = (low + high + 1) >> 1;
      if (widthOf(text.slice(0, half) + '…', font) <= room) low = half; else high = half - 1;
    }
    return low < 2 ? '' : text.slice(0, low) + '…';
  };

  // In a narrow bar what was answered says more than what was asked.
  const label = (o, room) => {
    if (o.result === null || !o.call.endsWith('()') || widthOf(o.text, MONO) <= room) return fit(o.text, room, MONO);
    return fit(`= ${o.result}`, room, MONO);
  };

  // ---- Scales: from time to a line on which things stand ----------------------------------------------------------------
  const linear = {to: (t) => Math.max(first, Math.min(t, last)), back: (u) => u, first, last, even: false};
  // The order of calls and returns alone: each turn from calls to returns, or back, takes one step, others less.
  const orderScale = (list) => {
    const marks = new Map();
    for (const o of list) {
      marks.set(o.t0, (marks.get(o.t0) || 0) | 1);
      if (o.t1 !== null) marks.set(o.t1, (marks.get(o.t1) || 0) | 2);
    }
    const times = [...marks.keys()].sort((a, b) => a - b);
    const places = [];
    let at = 0;
    times.forEach((t, i) => {
      if (i > 0) at += marks.get(t) === marks.get(times[i - 1]) && marks.get(t) !== 3 ? 0.45 : 1;
      places.push(at);
    });
    if (times.length === 0) { times.push(0); places.push(0); }
    const between = (value, from, to) => {
      let low = 0, high = from.length - 1;
      if (value <= from[0]) return to[0] - (value < from[0] ? 0.5 : 0);
      if (value >= from[high]) return to[high] + (value > from[high] ? 0.5 : 0);
      while (high - low > 1) { const half = (low + high) >> 1; if (from[half] <= value) low = half; else high = half; }
      return to[low] + (to[high] - to[low]) * (value - from[low]) / (from[high] - from[low]);
    };
    return {
      to: (t) => between(t, times, places), back: (u) => between(u, places, times),
      first: 0, last: Math.max(at, 1), even: true, times, places,
    };
  };

  // ---- What is selected, hovered, and which order is shown ---------------------------------------------------------------
  const state = {selected: null, hovered: null, order: 0, step: 0};
  const charts = [];
  const refresh = () => { for (const chart of charts) chart.draw(); drawOrders(); markRows(); };
  const tip = $('tip');
  const showTip = (event, title, lines) => {
    tip.replaceChildren(make('div', {class: 'call'}, title), ...lines.filter(Boolean).map((l) => make('div', {class: 'muted'}, l)));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + 'px';
    tip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + 'px';
  };
  const hideTip = () => { tip.hidden = true; };
  const select = (o, reveal) => {
    state.selected = o;
    const box = $('details');
    box.hidden = o === null;
    if (o !== null) {
      box.replaceChildren(...[
        make('button', {onclick: () => select(null), 'aria-label': 'close'}, '×'), make('div', {class: 'call'}, o.text),
        make('div', {}, inWords(o)), make('div', {class: 'muted'}, whenWords(o)),
        o.key === '' ? null : make('div', {class: 'muted'}, `key ${o.key}`), roleWords[o.role] ? make('div', {}, roleWords[o.role]) : null].filter(Boolean));
      if (reveal) historyChart.reveal(o);
    }
    refresh();
  };

  // ---- A chart: lanes of clients over an axis -----------------------------------------------------------------------------
  const GUTTER = 104, LANE = 30, BAR = 20, AXIS = 26, EVENT = 20;
  class Chart {
    constructor(root, list, options) {
      this.root = root; this.options = options;
      this.scale = options.scale;
      this.setOperations(list);
      const pad = (this.scale.last - this.scale.first) * 0.03;
      this.bounds = [this.scale.first - pad, this.scale.last + pad];
      this.view = [...this.bounds];
      this.head = draw('svg', {height: AXIS, role: 'presentation'});
      this.svg = draw('svg', {role: 'img', 'aria-label': options.label});
      this.body = make('div', {class: 'body'}, this.svg);
      root.append(this.head, this.body);
      this.measure();
      if (options.zoom) { root.tabIndex = 0; this.listen(); }
      this.svg.addEventListener('mousemove', (e) => this.hover(e));
      this.svg.addEventListener('mouseleave', () => { hideTip(); if (state.hovered) { state.hovered = null; this.draw(); } });
      this.svg.addEventListener('click', (e) => { if (!this.moved) { const o = this.hit(e); if (o && !o.kind) select(o); } });
      charts.push(this);
    }

    // Places operations in lanes: a client's in one, or in several where they overlap.
    setOperations(list) {
      this.list = list;
      const byClient = new Map();
      for (const o of list) { if (!byClient.has(o.client)) byClient.set(o.client, []); byClient.get(o.client).push(o); }
      const important = new Set(core.map((o) => o.client));
      const clients = [...byClient.keys()].sort((a, b) => (important.has(b) - important.has(a)) || a - b);
      this.lanes = [];
      for (const client of clients) {
        const rows = [];
        for (const o of byClient.get(client).sort((a, b) => a.t0 - b.t0)) {
          // What never returned does not keep its client's next operation out of the lane.
          let row = rows.find((r) => { const p = r[r.length - 1]; return p.t1 === null ? p.t0 < o.t0 : p.t1 <= o.t0; });
          if (!row) { row = []; rows.push(row); }
          row.push(o);
        }
        rows.forEach((row, i) => this.lanes.push({client, name: i === 0 ? `client ${client}` : '', ops: row, core: important.has(client)}));
      }
      // Events in as few rows as they need, kind by kind.
      this.eventRows = [];
      for (const kind of ['fault', 'leader', 'note']) {
        const rows = [];
        for (const e of events.filter((f) => f.kind === kind)) {
          const end = e.t1 === null ? Infinity : Math.max(e.t1, e.t0);
          let row = rows.find((r) => r.end <= e.t0);
          if (!row) { row = {kind, list: [], end: 0}; if (rows.length < 8) rows.push(row); else row = rows[7]; }
          row.list.push(e);
          row.end = kind === 'note' ? e.t0 : end;
        }
        this.eventRows.push(...rows);
      }
    }

    // Asking the page for it costs time, so that this is done once for each drawing.
    measure() { this.width = Math.max(this.root.clientWidth - 2, 320); }
    x(u) { return GUTTER + (u - this.view[0]) / (this.view[1] - this.view[0]) * (this.width - GUTTER - 12); }
    u(x) { return this.view[0] + (x - GUTTER) / (this.width - GUTTER - 12) * (this.view[1] - this.view[0]); }
    xt(t) { return this.x(this.scale.to(t)); }
    laneTop(i) { return this.eventRows.length * EVENT + 6 + i * (this.options.lane || LANE); }

    setView(a, b) {
      const [low, high] = this.bounds, least = (high - low) / 1e7 || 1e-9;
      let size = Math.min(Math.max(b - a, least), high - low);
      const middle = (a + b) / 2;
      let from = Math.max(low, Math.min(middle - size / 2, high - size));
      this.view = [from, from + size];
      this.draw();
    }
    zoom(factor, at) {
      const c = at === undefined ? (this.view[0] + this.view[1]) / 2 : at;
      this.setView(c - (c - this.view[0]) * factor, c + (this.view[1] - c) * factor);
    }
    move(share) { const d = (this.view[1] - this.view[0]) * share; this.setView(this.view[0] + d, this.view[1] + d); }
    show(list) {
      const from = Math.min(...list.map((o) => this.scale.to(o.t0)));
      const to = Math.max(...list.map((o) => this.scale.to(o.t1 === null ? o.t0 : o.t1)));
      const margin = Math.max((to - from) * 0.15, (this.bounds[1] - this.bounds[0]) * 1e-4);
      this.setView(from - margin, to + margin);
      const lane = this.lanes.findIndex((l) => list.some((o) => l.ops.includes(o)));
      this.body.scrollTop = Math.max(0, this.laneTop(lane) - 60);
    }
    reveal(o) {
      const from = this.scale.to(o.t0), to = this.scale.to(o.t1 === null ? o.t0 : o.t1), size = this.view[1] - this.view[0];
      if (from < this.view[0] || to > this.view[1]) this.setView((from + to) / 2 - Math.max(size, (to - from) * 1.4) / 2, (from + to) / 2 + Math.max(size, (to - from) * 1.4) / 2);
      const lane = this.lanes.findIndex((l) => l.ops.includes(o)), top = this.laneTop(lane);
      if (top < this.body.scrollTop || top + LANE > this.body.scrollTop + this.body.clientHeight) this.body.scrollTop = top - this.body.clientHeight / 2;
    }

    listen() {
      let from = null;
      this.svg.addEventListener('pointerdown', (e) => { from = {x: e.clientX, view: [...this.view]}; this.moved = false; });
      addEventListener('pointermove', (e) => {
        if (!from) return;
        const d = e.clientX - from.x;
        if (Math.abs(d) > 3) { this.moved = true; this.svg.classList.add('dragging'); hideTip(); }
        if (this.moved) {
          const shift = d / (this.width - GUTTER - 12) * (from.view[1] - from.view[0]);
          this.setView(from.view[0] - shift, from.view[1] - shift);
        }
      });
      addEventListener('pointerup', () => { from = null; this.svg.classList.remove('dragging'); });
      this.svg.addEventListener('dblclick', (e) => this.zoom(0.4, this.u(e.offsetX)));
      this.body.addEventListener('wheel', (e) => {
        if (e.ctrlKey || e.metaKey) { e.preventDefault(); this.zoom(Math.exp(e.deltaY / 300), this.u(e.offsetX)); }
        else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) { e.preventDefault(); this.move((e.deltaX || e.deltaY) / 1200); }
      }, {passive: false});
    }

    // The operation or event under the pointer.
    hit(e) {
      const box = this.svg.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
      const row = Math.floor(y / EVENT);
      if (row >= 0 && row < this.eventRows.length) {
        return this.eventRows[row].list.find((f) => x >= this.xt(f.t0) - 5 && x <= (f.kind === 'note' ? this.xt(f.t0) + 5 : f.t1 === null ? Infinity : this.xt(f.t1) + 1)) || null;
      }
      const lane = this.lanes[Math.floor((y - this.laneTop(0)) / (this.options.lane || LANE))];
      if (!lane || x < GUTTER) return null;
      let best = null, distance = 4;
      for (const [i, o] of lane.ops.entries()) {
        const x0 = this.xt(o.t0), x1 = Math.max(this.barEnd(lane, i), x0 + 3);
        const d = x < x0 ? x0 - x : x > x1 ? x - x1 : 0;
        if (d < distance || (d === distance && d === 0)) { best = o; distance = d; }
      }
      return best;
    }
    hover(e) {
      if (this.moved && this.svg.classList.contains('dragging')) return;
      const o = this.hit(e);
      if (o && o.kind) showTip(e, o.text || o.node, [`${o.kind}${o.node && o.text ? ' · ' + o.node : ''}`, o.t1 === null ? `at ${moment(o.t0)}` : `${moment(o.t0)} to ${moment(o.t1)}`]);
      else if (o) showTip(e, o.text, [inWords(o), whenWords(o), o.key === '' ? '' : `key ${o.key}`, roleWords[o.role]]);
      else hideTip();
      const now = o && !o.kind ? o : null;
      if (now !== state.hovered) { state.hovered = now; for (const chart of charts) chart.draw(); }
    }
    // Where the solid part of a bar ends.
    barEnd(lane, i) {
      const o = lane.ops[i];
      if (o.t1 !== null) return this.xt(o.t1);
      const next = lane.ops[i + 1];
      const full = Math.max(this.width - 12, this.xt(o.t0));
      return Math.min(this.xt(o.t0) + (this.options.lane ? 150 : 70), next ? this.xt(next.t0) - 2 : full, full);
    }

    draw() {
      this.measure();
      const width = this.width, lane = this.options.lane || LANE, bar = this.options.lane ? 26 : BAR;
      const height = this.laneTop(this.lanes.length) + (this.options.lane ? 22 : 8);
      this.svg.setAttribute('width', width); this.svg.setAttribute('height', height);
      const parts = [];
      this.drawAxis(parts, width, height);
      this.lanes.forEach((l, i) => {
        if (l.name) parts.push(draw('text', {class: l.core ? 'lane core' : 'lane', x: 12, y: this.laneTop(i) + lane / 2 + 4}, fit(l.name, GUTTER - 18, SANS)));
        if (i > 0 && l.name) parts.push(draw('line', {class: 'grid', x1: 0, x2: width, y1: this.laneTop(i) - 0.5, y2: this.laneTop(i) - 0.5}));
      });
      const clip = 'clip-' + this.options.name;
      const inside = draw('g', {'clip-path': `url(#${clip})`});
      parts.push(draw('clipPath', {id: clip}, draw('rect', {x: GUTTER - 4, y: 0, width: width - GUTTER + 4, height})), inside);
      this.drawEvents(parts, inside, width, height);
      this.drawBars(inside, width, lane, bar);
      if (this.options.orders) this.drawOrder(inside, lane);
      this.svg.replaceChildren(...parts);
      if (this.options.onView) this.options.onView(this);
    }

    drawAxis(parts, width, height) {
      this.head.setAttribute('width', width);
      const ticks = [];
      if (this.scale.even) {
        let right = -Infinity;
        // As few digits as tell those apart that can be seen.
        const seen = this.scale.times.filter((t, i) => this.x(this.scale.places[i]) >= GUTTER - 1 && this.x(this.scale.places[i]) <= width);
        let stride = momentScale / (NS[data.unit] || 1);
        for (let i = 0; i < 9 && new Set(seen.map((t) => axisMoment(t, stride))).size < seen.length; ++i) stride /= 10;
        for (const [i, u] of this.scale.places.entries()) {
          const x = this.x(u);
          if (x < GUTTER - 1 || x > width) continue;
          const text = axisMoment(this.scale.times[i], stride), half = widthOf(text, SANS) / 2;
          ticks.push({x, text: x - half > right + 8 ? text : ''});
          if (x - half > right + 8) right = x + half;
        }
      } else {
        const span = this.view[1] - this.view[0], rough = span / Math.max((width - GUTTER) / 120, 1);
        const power = Math.pow(10, Math.floor(Math.log10(rough)));
        const step = Math.max([1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) || rough, data.unit === 'order' ? 1 : 0);
        for (let t = Math.ceil(this.view[0] / step) * step; t <= this.view[1]; t += step) {
          if (this.x(t) >= GUTTER - 1 && t >= first && t <= last) ticks.push({x: this.x(t), text: axisMoment(+t.toPrecision(12), step)});
        }
      }
      this.head.replaceChildren(
        draw('text', {class: 'lane', x: 12, y: 17}, this.scale.even ? 'in order' : data.unit === 'order' ? 'order' : 'time'),
        ...ticks.map((t) => draw('text', {class: 'tick', x: t.x, y: 17, 'text-anchor': 'middle'}, t.text)),
        draw('line', {class: 'rule', x1: 0, x2: width, y1: AXIS - 0.5, y2: AXIS - 0.5}));
      for (const t of ticks) parts.push(draw('line', {class: 'grid', x1: t.x, x2: t.x, y1: 0, y2: height}));
    }

    drawEvents(parts, inside, width, height) {
      // One shade for every moment at which something is broken.
      let band = null;
      const bands = [];
      for (const e of events.filter((f) => f.kind === 'fault').sort((a, b) => a.t0 - b.t0)) {
        const x0 = this.xt(e.t0), x1 = Math.max(e.t1 === null ? width : this.xt(e.t1), x0 + 2);
        if (band && x0 <= band[1]) band[1] = Math.max(band[1], x1);
        else bands.push(band = [x0, x1]);
      }
      for (const [x0, x1] of bands) {
        if (x1 > GUTTER && x0 < width) inside.append(draw('rect', {class: 'band', x: x0, y: 0, width: x1 - x0, height}));
      }
      this.eventRows.forEach((row, i) => {
        const y = i * EVENT + 2;
        if (i === 0 || this.eventRows[i - 1].kind !== row.kind) {
          parts.push(draw('text', {class: 'lane', x: 12, y: y + 13}, {fault: 'faults', leader: 'leaders', note: 'notes'}[row.kind]));
        }
        for (const [n, e] of row.list.entries()) {
          const x0 = this.xt(e.t0), x1 = e.kind === 'note' ? x0 : e.t1 === null ? width : this.xt(e.t1);
          if (x1 < GUTTER || x0 > width) continue;
          const label = e.kind === 'leader' ? [e.node, e.text].filter(Boolean).join(' · ') : e.text || e.node;
          const next = row.list[n + 1], room = (next ? this.xt(next.t0) : width) - Math.max(x0, GUTTER) - 8;
          if (e.kind === 'note') {
            inside.append(draw('path', {class: 'note', d: `M${x0} ${y + 2}l5 6l-5 6l-5 -6z`}));
            const text = fit(label, room - 10, SANS);
            if (text) inside.append(draw('text', {class: 'event outside', x: x0 + 9, y: y + 12}, text));
            continue;
          }
          inside.append(draw('rect', {class: e.kind, x: x0, y, width: Math.max(x1 - x0, 2), height: EVENT - 4, rx: 3}));
          const from = Math.max(x0, GUTTER), within = fit(label, x1 - from - 10, SANS);
          if (within) inside.append(draw('text', {class: 'event', x: from + 5, y: y + 12}, within));
        }
      });
    }

    drawBars(inside, width, lane, bar) {
      const shapes = {other: [], context: [], core: [], blocked: []}, open = {other: [], context: [], core: [], blocked: []}, front = [];
      const dense = this.list.reduce((n, o) => n + (this.xt(o.t0) <= width && (o.t1 === null || this.xt(o.t1) >= GUTTER) ? 1 : 0), 0);
      this.lanes.forEach((l, i) => {
        const y = this.laneTop(i) + (lane - bar) / 2;
        let covered = -Infinity, written = GUTTER;
        for (const [n, o] of l.ops.entries()) {
          const x0 = this.xt(o.t0);
          if (x0 > width) break;
          const x1 = this.barEnd(l, n);
          if (o.t1 !== null ? x1 < GUTTER - 4 : false) continue;
          // Many in one pixel: one is enough.
          if (o.role === 'other' && x1 <= covered && o !== state.selected && o !== state.hovered) continue;
          if (o.role === 'other') covered = Math.max(x1, x0 + 2.5);
          const a = Math.max(x0, -50), w = Math.max(Math.min(x1, width + 50) - a, 2.5);
          const r = Math.min(4, w / 2);
          if (x1 >= GUTTER - 4 || o.t1 !== null) shapes[o.role].push(`M${(a + r).toFixed(1)} ${y}h${(w - 2 * r).toFixed(1)}q${r} 0 ${r} ${r}v${bar - 2 * r}q0 ${r} ${-r} ${r}h${(-(w - 2 * r)).toFixed(1)}q${-r} 0 ${-r} ${-r}v${-(bar - 2 * r)}q0 ${-r} ${r} ${-r}z`);
          if (o.t1 === null) open[o.role].push(`M${Math.max(a + w, 0)} ${y + (l.ops[n + 1] ? bar - 1 : bar / 2)}H${width}`);
          if (o === state.selected || o === state.hovered) front.push(draw('rect', {class: o === state.selected ? 'selected' : 'hovered', x: a - 3, y: y - 3, width: w + 6, height: bar + 6, rx: 6}));
          const next = l.ops[n + 1], text = brief(o.text, 80);
          const from = Math.max(a, GUTTER), room = a + w - from - 10;
          const free = (next ? this.xt(next.t0) : width) - Math.max(a + w, GUTTER) - 12;
          const inner = room > 34 ? label(o, room) : '', y0 = y + bar / 2 + 4.5;
          // Beside the bar, if it fits there and not within.
          if (inner !== text && dense < 400 && widthOf(text, MONO) <= free && a + w > GUTTER) {
            front.push(draw('text', {class: 'call outside', x: a + w + 6, y: y0}, text));
            written = a + w + 6 + widthOf(text, MONO);
          } else if (inner) {
            front.push(draw('text', {class: `call ${o.role === 'context' ? 'outside' : o.role}`, x: from + 6, y: y0}, inner));
          } else if (o.role !== 'other' && widthOf(text, MONO) <= a - Math.max(written, n > 0 ? this.barEnd(l, n - 1) : GUTTER) - 12) {
            front.push(draw('text', {class: 'call outside', x: a - 6, y: y0, 'text-anchor': 'end'}, text));
          }
        }
      });
      for (const role of Object.keys(shapes)) {
        if (open[role].length) inside.append(draw('path', {class: `open ${role}`, d: open[role].join('')}));
        if (shapes[role].length) inside.append(draw('path', {class: role, d: shapes[role].join('')}));
      }
      inside.append(...front);
    }

    // The moments at which a longest order lets operations take effect.
    drawOrder(inside, lane) {
      const order = data.orders[state.order];
      if (!order) return;
      const placed = order.placed.map((i) => ops[i]);
      const latest = [], earliest = [];
      let limit = this.scale.last + 0.4;
      // What is context may take effect whenever it was called.
      const ends = (o) => (o.t1 === null || o.role === 'context' ? Infinity : this.scale.to(o.t1));
      for (let i = placed.length - 1; i >= 0; --i) latest[i] = limit = Math.min(limit, ends(placed[i]));
      limit = this.scale.first;
      placed.forEach((o, i) => { earliest[i] = limit = Math.max(limit, this.scale.to(o.t0)); });
      // Each one after the other, with room for those that have to come before the same moment.
      const at = [];
      placed.forEach((o, i) => {
        let n = i;
        while (n < placed.length && latest[n] === latest[i]) ++n;
        const low = Math.max(earliest[i], i > 0 ? at[i - 1] : -Infinity);
        at[i] = low + (latest[i] - low) / (n - i + 1);
      });
      const rowOf = (o) => this.lanes.findIndex((l) => l.ops.includes(o));
      // What is not drawn here has its number left out.
      const points = placed.slice(0, state.step).map((o, i) => [this.x(at[i]), this.laneTop(rowOf(o)) + 4, order.before + i + 1, rowOf(o) >= 0]).filter((p) => p[3]);
      if (points.length > 1) inside.append(draw('path', {class: 'path', d: 'M' + points.map((p) => `${p[0]} ${p[1]}`).join('L')}));
      for (const [x, y, n] of points) {
        inside.append(draw('g', {class: 'point', transform: `translate(${x} ${y})`}, draw('circle', {r: 9}), draw('text', {}, String(n))));
      }
      if (state.step === placed.length && order.blocked >= 0) {
        const o = ops[order.blocked], row = rowOf(o);
        if (row >= 0) inside.append(draw('g', {class: 'point stuck', transform: `translate(${this.xt(o.t1 === null ? o.t0 : o.t1)} ${this.laneTop(row) + 4})`}, draw('circle', {r: 9}), draw('text', {}, '✕')));
      }
    }
  }

  // ---- The head of the page -----------------------------------------------------------------------------------------------
  $('verdict').textContent = {true: 'Linearizable', false: 'Not linearizable', unknown: 'Unknown'}[data.verdict];
  $('verdict').classList.add(data.verdict);
  $('title').textContent = data.title;
  $('facts').textContent = data.facts;

  // ---- Why ------------------------------------------------------------------------------------------------------------------
  let coreChart = null;
  function pickRow(o, cls) {
    const row = make('tr', {class: 'pick ' + cls, onclick: () => select(o, true)},
      make('td', {class: 'call'}, make('span', {class: 'swatch'}), make('span', {}, brief(o.text, 100))), make('td', {}, brief(inWords(o), 300) + ((o.t1 !== null && rowWords[o.role]) || '')),
      make('td', {class: 'number'}, moment(o.t0)), make('td', {class: 'number'}, o.t1 === null ? 'never' : moment(o.t1)));
    row.tabIndex = 0;
    row.addEventListener('keydown', (e) => { if (e.key === 'Enter') select(o, true); });
    row.dataset.op = o.i;
    return row;
  }
  function markRows() {
    for (const row of document.querySelectorAll('tr.pick')) row.classList.toggle('is-selected', state.selected !== null && Number(row.dataset.op) === state.selected.i);
  }
  if (isWrong && core.length > 0) {
    $('why').hidden = false;
    if (data.key !== '') $('why-heading').textContent = `Why: key "${brief(data.key, 60)}"`;
    $('reason').textContent = brief(data.reason, 700);
    if (data.alsoWrong > 0) {
      const named = data.wrongKeys.map((k) => brief(k, 40)).join(', ') + (data.alsoWrong > data.wrongKeys.length ? `, and ${data.alsoWrong - data.wrongKeys.length} more` : '');
      $('also-wrong').hidden = false;
      $('also-wrong').textContent = `${data.alsoWrong === 1 ? 'Another key is' : `${data.alsoWrong.toLocaleString('en')} other keys are`} wrong, too: ${named}.`;
    }
    const drawn = core.length <= 100 ? core : around(members, 100);
    $('core-note').textContent = `${members.length === 1 ? 'This one operation shows' : `These ${members.length} operations show`} it, whatever else happened` +
      (data.minimal ? (members.length === 1 ? '.' : ': if the outcome of any one of them were unknown, there would be an order that explains the rest.') : '. Fewer may do: there was no time to find out.') +
      (data.minimal && members.length > 12 ? ' Each might else have taken effect late enough to explain it.' : '') +
      (members.length > drawn.length ? ' Those nearest to where it fails are drawn.' : '');
    coreChart = new Chart($('core-figure'), drawn, {
      name: 'core', scale: orderScale(drawn), lane: 52, orders: true, label: 'The operations of the counter-example, from invocation to return, in their order',
    });
    const sample = (cls, text) => make('span', {class: 'sample ' + cls}, text);
    $('core-figure').after(make('p', {class: 'legend'}, ...[
      drawn.some((o) => o.role === 'core') ? sample('core', 'shows the contradiction') : null,
      drawn.some((o) => o.role === 'blocked') ? sample('blocked', 'cannot be placed') : null,
      drawn.some((o) => o.role === 'context') ? sample('context', 'may have taken effect at any time after its call, or never') : null,
      drawn.some((o) => o.t1 === null) ? sample('open', 'never returned') : null,
      data.orders.some((o) => o.placed.length) ? sample('point', 'moments at which they may take effect, one after another') : null].filter(Boolean)));
    $('core-table').append(
      make('thead', {}, make('tr', {}, make('th', {}, 'operation'), make('th', {}, 'in words'), make('th', {class: 'number'}, 'invoked'), make('th', {class: 'number'}, 'returned'))),
      make('tbody', {}));
    // Of many rows those around the one that matters most; the others on demand.
    const fill = (list) => $('core-table').querySelector('tbody').replaceChildren(...list.map((o) => pickRow(o, o.role === 'blocked' ? 'stuck' : o.role)));
    fill(core.length > 16 ? around(core, 12) : core);
    if (core.length > 16) {
      const all = make('button', {id: 'core-all', onclick: () => { fill(around(core, 2000)); all.remove(); }}, core.length <= 2000 ? `show all ${core.length}` : 'show 2000');
      $('core-table').after(make('p', {}, all));
    }
  }
  function setStep(step) {
    const order = data.orders[state.order];
    if (!order) return;
    state.step = Math.max(0, Math.min(step, order.placed.length));
    refresh();
  }
  function setOrder(number) {
    state.order = (number + data.orders.length) % data.orders.length;
    state.step = data.orders[state.order].placed.length;
    refresh();
  }
  function drawOrders() {
    const order = data.orders[state.order], root = $('orders');
    // That nothing can come before an operation was said already.
    if (!order || !isWrong || !data.orders.some((o) => o.placed.length)) { root.hidden = true; return; }
    const many = data.orders.length > 1;
    const steps = order.placed.map((i, n) => make('li', {}, make('button', {
      class: 'step' + (n < state.step ? '' : ' off'), onclick: () => setStep(n + 1), 'aria-pressed': null, title: 'show the order up to here',
    }, make('b', {}, String(order.before + n + 1)), make('span', {class: 'mono'}, brief(ops[i].text, 80)), make('span', {class: 'state'}, order.states[n] === undefined ? '' : `the object is ${brief(order.states[n], 80)}`))));
    if (order.blocked >= 0) {
      const o = ops[order.blocked];
      const before = order.placed.length ? `cannot follow: the object is ${brief(order.states[order.placed.length - 1], 80)}` : 'cannot come first';
      steps.push(make('li', {}, make('button', {class: 'step stuck' + (state.step === order.placed.length ? '' : ' off'), onclick: () => setStep(order.placed.length)},
        make('b', {}, '✕'), make('span', {class: 'mono'}, brief(o.text, 80)), make('span', {class: 'state'}, before))));
    }
    root.replaceChildren(
      make('div', {class: 'row'},
        make('span', {}, order.before > 0 ? `The longest order that was found; the first ${order.before.toLocaleString('en')} are left out:` : many ? `One of the longest orders that explain a part of it (${state.order + 1} of ${data.orders.length}):` : 'The longest order that explains a part of it:'),
        many ? make('button', {onclick: () => setOrder(state.order - 1), 'aria-label': 'previous order'}, '◀') : null,
        many ? make('button', {onclick: () => setOrder(state.order + 1), 'aria-label': 'next order'}, '▶') : null,
        make('button', {onclick: () => setStep(state.step - 1), disabled: state.step === 0 ? '' : null}, 'step back'),
        make('button', {onclick: () => setStep(state.step + 1), disabled: state.step === order.placed.length ? '' : null}, 'step on')),
      make('ol', {class: 'steps'}, ...steps));
  }

  // ---- Weaker levels ----------------------------------------------------------------------------------------------------------
  if (data.levels.length > 0) {
    $('levels').hidden = false;
    for (const level of data.levels) {
      const witness = level.witness.map((i) => ops[i]).filter(Boolean);
      $('levels-list').append(make('div', {class: 'level ' + level.ok},
        make('span', {class: 'mark'}, {true: 'holds', false: 'broken', unknown: 'unknown'}[level.ok]), make('b', {}, level.name),
        witness.length > 0 ? make('button', {onclick: () => { historyChart.show(witness); select(witness[witness.length - 1], true); $('timeline').scrollIntoView({behavior: 'smooth'}); }}, 'show') : null,
        level.reason ? make('p', {class: 'hint'}, level.reason) : null,
        ...witness.slice(0, 8).map((o) => make('div', {class: 'witness'}, `client ${o.client}: `, make('span', {class: 'mono'}, o.text)))));
    }
    if (data.staleness) $('levels-list').append(make('p', {class: 'hint'}, data.staleness));
  }

  // ---- The whole history --------------------------------------------------------------------------------------------------------
  const keys = [...new Set(ops.map((o) => o.key))];
  if (data.shown < data.total) {
    $('shown-note').textContent = `${data.shown.toLocaleString('en')} of ${data.total.toLocaleString('en')} operations are in this page: those nearest to ${isWrong ? 'the counter-example' : 'the beginning'}.`;
  } else if (isWrong) {
    $('shown-note').textContent = 'Every operation, with what is known of faults and leaders. The counter-example is in colour.';
  }
  const historyChart = new Chart($('history-figure'), ops, {
    name: 'history', scale: linear, zoom: true, label: 'All operations: a lane for each client, a bar from invocation to return', onView: drawOverview,
  });
  const ofKey = (key) => (key === null ? ops : ops.filter((o) => o.key === key || o.role !== 'other'));
  const setKey = (key) => { historyChart.setOperations(ofKey(key)); if (historyChart.scale.even) setScale(true); historyChart.draw(); };
  let evenButton = null;
  function setScale(even) {
    const shown = [historyChart.scale.back(historyChart.view[0]), historyChart.scale.back(historyChart.view[1])];
    historyChart.scale = even ? orderScale(historyChart.list) : linear;
    const scale = historyChart.scale, pad = (scale.last - scale.first) * 0.03;
    historyChart.bounds = [scale.first - pad, scale.last + pad];
    evenButton.setAttribute('aria-pressed', String(even));
    historyChart.setView(scale.to(shown[0]), scale.to(shown[1]));
  }
  const showAll = () => historyChart.setView(...historyChart.bounds);
  // All of a small counter-example; of a large one the part where it fails, and so if all of it would be too small to see.
  const SEEN = 5;
  const least = (list) => Math.min(...list.filter((o) => o.t1 !== null).map((o) => historyChart.xt(o.t1) - historyChart.xt(o.t0)), Infinity);
  const inView = (list) => list.length > 24 || list.every((o) => historyChart.xt(o.t0) >= GUTTER);
  const nearest = around(members, 12);
  const showCore = () => {
    if (core.length === 0) return;
    historyChart.show(core.length <= 24 ? core : nearest);
    if (least(nearest) < SEEN) historyChart.show(nearest);
  };
  evenButton = make('button', {'aria-pressed': 'false', onclick: () => setScale(!historyChart.scale.even), title: 'equal distances between events, whatever time passed'}, 'stretch quiet times away');
  const keyChoice = keys.length < 2 ? null : make('select', {'aria-label': 'keys', onchange: (e) => setKey(e.target.value === '*' ? null : e.target.value.slice(1))},
    make('option', {value: '*'}, `all ${keys.length} keys`), ...keys.slice(0, 500).map((k) => make('option', {value: '=' + k, selected: k === data.key && ops.length > 200 ? '' : null}, `key ${k}`)));
  $('toolbar').append(...[
    core.length && isWrong ? make('button', {onclick: showCore}, 'Counter-example') : null, make('button', {onclick: showAll}, 'All'),
    make('button', {onclick: () => historyChart.zoom(0.6), 'aria-label': 'zoom in'}, '+'), make('button', {onclick: () => historyChart.zoom(1.6), 'aria-label': 'zoom out'}, '−'),
    make('button', {onclick: () => historyChart.move(-0.4), 'aria-label': 'earlier'}, '◀'), make('button', {onclick: () => historyChart.move(0.4), 'aria-label': 'later'}, '▶'),
    evenButton, keyChoice].filter(Boolean));

  // The strip above it: how much happened when, and which part is shown.
  let overview = null;
  function drawOverview(chart) {
    const width = chart.width, height = 46;
    const [low, high] = chart.bounds, place = (u) => GUTTER + (u - low) / (high - low) * (width - GUTTER - 12);
    if (!overview) {
      overview = draw('svg', {height, role: 'img', 'aria-label': 'the whole history; drag to move the part that is shown'});
      $('overview').append(overview);
      let dragging = false;
      const go = (e) => {
        const x = e.clientX - overview.getBoundingClientRect().left, c = historyChart, size = c.view[1] - c.view[0];
        const u = c.bounds[0] + (x - GUTTER) / (c.width - GUTTER - 12) * (c.bounds[1] - c.bounds[0]);
        c.setView(u - size / 2, u + size / 2);
      };
      overview.addEventListener('pointerdown', (e) => { dragging = true; overview.setPointerCapture(e.pointerId); go(e); });
      overview.addEventListener('pointermove', (e) => { if (dragging) go(e); });
      overview.addEventListener('pointerup', () => { dragging = false; });
    }
    const buckets = new Array(Math.max(1, Math.floor((width - GUTTER - 12) / 3))).fill(0);
    for (const o of chart.list) {
      const at = Math.floor((chart.scale.to(o.t0) - low) / (high - low) * buckets.length);
      buckets[Math.max(0, Math.min(at, buckets.length - 1))]++;
    }
    const most = Math.max(...buckets, 1);
    const bars = buckets.map((n, i) => (n ? `M${GUTTER + i * 3} ${height - 4}v${-Math.max(2, n / most * (height - 16))}h2.5V${height - 4}z` : '')).join('');
    const a = place(chart.view[0]), b = place(chart.view[1]);
    overview.setAttribute('width', width);
    overview.replaceChildren(
      draw('text', {class: 'lane', x: 12, y: 28}, 'overview'), draw('path', {class: 'density', d: bars}),
      ...events.filter((e) => e.kind === 'fault').map((e) => draw('rect', {class: 'fault', x: place(chart.scale.to(e.t0)), y: 3, height: 4, width: Math.max(2, (e.t1 === null ? width - 12 : place(chart.scale.to(e.t1))) - place(chart.scale.to(e.t0)))})),
      ...around(members, 200).map((o) => draw('rect', {class: o.role === 'blocked' ? 'mark blocked' : 'mark', x: place(chart.scale.to(o.t0)) - 1, y: 8, width: 3, height: height - 12})),
      draw('rect', {class: 'window', x: a, y: 1, width: Math.max(b - a, 4), height: height - 2, rx: 4}));
  }

  // ---- Keyboard and the first picture -------------------------------------------------------------------------------------------
  const inOrder = [...ops].sort((a, b) => a.t0 - b.t0 || a.i - b.i);
  const step = (by) => {
    const list = historyChart.list.length === ops.length ? inOrder : inOrder.filter((o) => historyChart.list.includes(o));
    if (list.length === 0) return;
    // From what is selected; else from the first one in the picture.
    const at = historyChart.scale.back(historyChart.view[0]);
    const now = state.selected ? list.indexOf(state.selected) : Math.max(list.findIndex((o) => o.t0 >= at), 0) - (by > 0 ? 1 : 0);
    select(list[(now + by + list.length) % list.length], true);
  };
  addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(SELECT|INPUT|TEXTAREA)$/.test(e.target.tagName)) return;
    const actions = {
      ArrowLeft: () => historyChart.move(-0.2), ArrowRight: () => historyChart.move(0.2), '+': () => historyChart.zoom(0.7), '=': () => historyChart.zoom(0.7),
      '-': () => historyChart.zoom(1.4), '−': () => historyChart.zoom(1.4), j: () => step(1), k: () => step(-1), c: showCore, a: showAll,
      '[': () => setStep(state.step - 1), ']': () => setStep(state.step + 1), Escape: () => select(null),
    };
    const action = actions[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (action) { action(); e.preventDefault(); }
  });
  addEventListener('resize', refresh);
  if (data.orders.length > 0) state.step = data.orders[0].placed.length;
  if (keyChoice && keyChoice.value !== '*') historyChart.setOperations(ofKey(keyChoice.value.slice(1)));
  // Where the counter-example would be a few pixels wide, quiet times are left out.
  if (isWrong && core.length > 0) {
    // All of it to scale, or without quiet times; else the part where it fails.
    showCore();
    if (!inView(core)) { setScale(true); showCore(); }
    if (!inView(core)) { setScale(false); showCore(); }
    if (least(nearest) < SEEN) { setScale(true); showCore(); }
  }
  refresh();
})();
