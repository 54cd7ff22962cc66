'use strict';
// The records of a run: lanes for machines and clients, arrows for messages,
// and for each event the chain of its causes. Nothing is loaded.
const run = JSON.parse(document.getElementById('run-json').textContent);
const get = (id) => document.getElementById(id);
const LANE = 34, TOP = 26, LEFT = 92;

// A record is [ns, machine, kind, cause, text]. Its number is run.first plus
// its place, and a cause is such a number; 0: the world.
const events = run.records.map(([ns, machine, kind, cause, text], at) =>
  ({ at, number: run.first + at, ns, machine, kind, cause, text, effects: [] }));
const byNumber = (number) => events[number - run.first];
for (const event of events) {
  const cause = byNumber(event.cause);
  if (cause) cause.effects.push(event);
}

const KINDS = {
  messages: ['message', 'stream_bytes', 'stream_event', 'connect', 'lane_ready'],
  disk: ['disk_issue', 'disk_completion'],
  timers: ['timer'],
  notes: ['note'],
  marks: ['mark', 'point'],
  faults: ['fault', 'partition_begins', 'partition_ends'],
  deeds: ['deed', 'plan', 'boot', 'crash', 'lead'],
};
const ofKind = {};
for (const [group, kinds] of Object.entries(KINDS)) for (const kind of kinds) ofKind[kind] = group;
// Most messages say only that all is well.
const isHeartbeat = (event) => ofKind[event.kind] === 'messages'
  && /(^|: |bytes )(heartbeat|pulse|nodes: (status|control))/.test(event.text) && !/append|vote|apply/.test(event.text);
for (const event of events) event.group = isHeartbeat(event) ? 'heartbeats' : ofKind[event.kind];
const GROUPS = ['messages', 'heartbeats', 'disk', 'timers', 'notes', 'marks', 'faults', 'deeds'];
const shown = { messages: true, heartbeats: false, disk: false, timers: false, notes: false, marks: false, faults: true, deeds: true };

// ---- Lanes: the world, machines that did something, and clients of a history.
const idle = new Set(['boot', 'timer', 'disk_issue', 'disk_completion']);
const busy = new Set(events.filter((e) => !idle.has(e.kind) && e.machine > 0).map((e) => e.machine));
const lanes = [{ name: 'world', machine: 0 }];
for (const machine of [...busy].sort((a, b) => a - b)) {
  lanes.push({ name: run.names[machine - 1] || `m${machine}`, machine });
}
const laneOfMachine = new Map(lanes.map((lane, at) => [lane.machine, at]));
const operations = run.operations.map((op) => ({
  call: op.invoke, end: op.return, client: op.client,
  text: `${op.f} ${op.key}${op.arg === undefined ? '' : ' ' + JSON.stringify(op.arg)}`,
  result: op.return === undefined ? 'no answer' : JSON.stringify(op.result === undefined ? null : op.result),
}));
const clients = [...new Set(operations.map((op) => op.client))].sort((a, b) => a - b);
const laneOfClient = new Map();
for (const client of clients) {
  // The machine of the client has its number.
  const machine = run.names.findIndex((name) => new RegExp(`^(c|http|library|multi|watch)${client}$`).test(name)) + 1;
  if (machine > 0 && laneOfMachine.has(machine)) {
    laneOfClient.set(client, laneOfMachine.get(machine));
  } else {
    laneOfClient.set(client, lanes.length);
    lanes.push({ name: `client ${client}`, client });
  }
}

// ---- Places. With steps each shown event has the same distance to the next.
let visible = [];
let scale = 1, offset = 0, selected = null, matches = [];
const place = new Float64Array(events.length);
function layOut() {
  visible = events.filter((event) => shown[event.group] && laneOfMachine.has(event.machine));
  const steps = get('steps').checked;
  let step = 0;
  const begin = events.length ? events[0].ns : 0;
  for (const event of events) {
    const counts = shown[event.group] && laneOfMachine.has(event.machine);
    place[event.at] = steps ? step : (event.ns - begin) / 1e6;
    if (counts && steps) step += 1;
  }
  get('slider').max = Math.max(0, visible.length - 1);
}
// Where a time without an event of its own is.
function placeOf(ns) {
  let low = 0, high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (events[middle].ns < ns) low = middle + 1; else high = middle;
  }
  return low < events.length ? place[low] : (events.length ? place[events.length - 1] + 1 : 0);
}
const canvas = get('canvas'), context = canvas.getContext('2d');
const xOf = (at) => LEFT + (at - offset) * scale;
const yOf = (lane) => TOP + lane * LANE + LANE / 2;
const laneOf = (event) => laneOfMachine.get(event.machine);
function width() { return get('figure').clientWidth; }
function whole() {
  const last = events.length ? place[events.length - 1] : 1;
  scale = Math.max(1e-6, (width() - LEFT - 30) / Math.max(1, last));
  offset = 0;
}

// ---- Drawing.
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isLost = (event) => event.kind === 'fault' && /lost|dropped|refused|reset/.test(event.text);
function arrow(x1, y1, x2, y2, style, dashed) {
  context.strokeStyle = style;
  context.setLineDash(dashed ? [4, 3] : []);
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
  context.setLineDash([]);
  const angle = Math.atan2(y2 - y1, x2 - x1);
  context.fillStyle = style;
  context.beginPath();
  context.moveTo(x2, y2);
  context.lineTo(x2 - 7 * Math.cos(angle - 0.35), y2 - 7 * Math.sin(angle - 0.35));
  context.lineTo(x2 - 7 * Math.cos(angle + 0.35), y2 - 7 * Math.sin(angle + 0.35));
  context.fill();
}
function drawLanes(palette) {
  context.font = '12px system-ui, sans-serif';
  lanes.forEach((lane, at) => {
    context.strokeStyle = palette.line;
    context.beginPath();
    context.moveTo(LEFT, yOf(at));
    context.lineTo(width(), yOf(at));
    context.stroke();
  });
  // A machine is down from its crash to its next boot.
  const down = new Map();
  const bar = (machine, from, to) => {
    const lane = laneOfMachine.get(machine);
    if (lane === undefined) return;
    context.fillStyle = palette.bad;
    context.globalAlpha = 0.22;
    context.fillRect(xOf(from), yOf(lane) - 9, Math.max(2, xOf(to) - xOf(from)), 18);
    context.globalAlpha = 1;
  };
  for (const event of events) {
    if (event.kind === 'crash') down.set(event.machine, place[event.at]);
    if (event.kind === 'boot' && down.has(event.machine)) {
      bar(event.machine, down.get(event.machine), place[event.at]);
      down.delete(event.machine);
    }
  }
  for (const [machine, from] of down) bar(machine, from, events.length ? place[events.length - 1] : from);
}
function drawOperations(palette) {
  const ends = new Map();  // Those of one client may overlap.
  for (const op of operations) {
    const lane = laneOfClient.get(op.client);
    const before = ends.get(lane) || { until: -1, low: true };
    const low = op.call < before.until && !before.low;
    ends.set(lane, { until: Math.max(before.until, op.end === undefined ? Infinity : op.end), low });
    const y = yOf(lane) + (low ? 8 : 0);
    const x1 = xOf(placeOf(op.call));
    const x2 = op.end === undefined ? width() : Math.max(x1 + 4, xOf(placeOf(op.end)));
    if (x2 < LEFT || x1 > width()) continue;
    context.fillStyle = op.end === undefined ? palette.odd : palette.message;
    context.globalAlpha = 0.25;
    context.fillRect(Math.max(LEFT, x1), y - 11, x2 - Math.max(LEFT, x1), 22);
    context.globalAlpha = 1;
    context.fillStyle = palette.text;
    context.save();
    context.beginPath();
    context.rect(Math.max(LEFT, x1), y - 12, Math.max(x2 - x1, 160), 24);
    context.clip();
    context.fillText(`${op.text} → ${op.result}`, Math.max(LEFT, x1) + 3, y + 4);
    context.restore();
  }
}
function drawEvents(palette) {
  const matching = new Set(matches);
  const labelled = new Map();  // Where the last label of a lane ends.
  for (const event of visible) {
    const x = xOf(place[event.at]);
    const cause = byNumber(event.cause);
    const from = cause && laneOfMachine.has(cause.machine) ? cause : null;
    const crosses = from && from.machine !== event.machine && x > LEFT - 200 && xOf(place[from.at]) < width() + 200;
    const group = event.group;
    if (crosses && (group === 'messages' || group === 'heartbeats' || group === 'faults')) {
      const style = isLost(event) ? palette.bad : group === 'faults' ? palette.odd : palette.message;
      const y = yOf(laneOf(event));
      context.lineWidth = 1;
      if (xOf(place[from.at]) > LEFT - 400) {
        arrow(Math.max(LEFT, xOf(place[from.at])), yOf(laneOf(from)), x, y, style, isLost(event));
      }
    }
    if (x < LEFT || x > width()) continue;
    const y = yOf(laneOf(event));
    const style = event.kind === 'lead' || event.kind === 'boot' ? palette.good
      : group === 'faults' || event.kind === 'crash' ? palette.bad
      : event.kind === 'deed' || event.kind === 'plan' ? palette.odd
      : group === 'marks' ? palette.mark : group === 'messages' || group === 'heartbeats' ? palette.message : palette.dim;
    context.fillStyle = style;
    context.beginPath();
    const size = matching.has(event) ? 6 : group === 'messages' ? 2.5 : 4;
    context.arc(x, y, size, 0, 7);
    context.fill();
    if (isLost(event)) {
      context.strokeStyle = palette.bad;
      context.beginPath();
      context.moveTo(x - 5, y - 5); context.lineTo(x + 5, y + 5);
      context.moveTo(x - 5, y + 5); context.lineTo(x + 5, y - 5);
      context.stroke();
    }
    if ((event.kind === 'lead' || event.kind === 'deed' || event.kind === 'crash') && scale > 3) {
      context.fillStyle = palette.text;
      const word = event.kind === 'lead' ? `leads ${event.text}` : event.text || event.kind;
      const label = word.slice(0, 34);
      if (x >= (labelled.get(laneOf(event)) || 0)) {
        context.fillText(label, x + 6, y - 8);
        labelled.set(laneOf(event), x + 10 + context.measureText(label).width);
      }
    }
  }
}
function draw() {
  const ratio = window.devicePixelRatio || 1;
  const height = TOP + lanes.length * LANE + 10;
  canvas.width = width() * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width()}px`;
  canvas.style.height = `${height}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const palette = {};
  for (const name of ['back', 'text', 'dim', 'line', 'message', 'odd', 'bad', 'good', 'mark', 'select']) palette[name] = color(`--${name}`);
  context.fillStyle = palette.back;
  context.fillRect(0, 0, width(), height);
  drawLanes(palette);
  drawOperations(palette);
  drawEvents(palette);
  if (selected) {
    context.strokeStyle = palette.select;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(xOf(place[selected.at]), TOP);
    context.lineTo(xOf(place[selected.at]), height);
    context.stroke();
    context.setLineDash([]);
    // The causes as one line, back to the world.
    context.lineWidth = 2;
    for (let event = selected; ;) {
      const cause = byNumber(event.cause);
      if (!cause || !laneOfMachine.has(cause.machine) || !laneOfMachine.has(event.machine)) break;
      context.beginPath();
      context.moveTo(xOf(place[cause.at]), yOf(laneOf(cause)));
      context.lineTo(xOf(place[event.at]), yOf(laneOf(event)));
      context.stroke();
      event = cause;
    }
    context.lineWidth = 1;
  }
  // Names stay where they are.
  context.fillStyle = palette.back;
  context.fillRect(0, 0, LEFT - 4, height);
  context.fillStyle = palette.text;
  lanes.forEach((lane, at) => context.fillText(lane.name, 8, yOf(at) + 4));
}

// ---- The selected event.
const seconds = (ns) => `${(ns / 1e9).toFixed(6)} s`;
const wordsOf = (event) => `${seconds(event.ns)}  ${event.machine ? run.names[event.machine - 1] : 'world'}  ${event.kind}  ${event.text}`;
function causesOf(event) {
  const chain = [event];
  for (let cause = byNumber(event.cause); cause && chain.length < 200; cause = byNumber(cause.cause)) chain.push(cause);
  return chain;
}
function stateAt(event) {
  const state = new Map(lanes.filter((lane) => lane.machine > 0).map((lane) => [lane.machine, { up: false, notes: new Map() }]));
  for (let at = 0; at <= event.at; at += 1) {
    const one = events[at], of = state.get(one.machine);
    if (!of) continue;
    if (one.kind === 'boot') of.up = true;
    if (one.kind === 'crash') { of.up = false; of.notes.clear(); }
    const group = /^(group \d+) is (.*)$/.exec(one.text);
    if (one.kind === 'note' && group) of.notes.set(group[1], group[2]);
    const halted = /fenced|halted/.exec(one.text);
    if (halted) of.notes.set(halted[0], one.text);
  }
  return state;
}
function item(event, now) {
  const line = document.createElement('li');
  line.textContent = `#${event.number}  ${wordsOf(event)}`;
  if (now) line.className = 'now';
  line.onclick = () => select(event, true);
  return line;
}
function select(event, show) {
  if (!event) return;
  selected = event;
  if (show) {
    const x = xOf(place[event.at]);
    if (x < LEFT + 20 || x > width() - 20) offset = place[event.at] - (width() - LEFT) / scale / 2;
  }
  get('selected').textContent = `Event #${event.number}`;
  const effects = event.effects.length ? `Its turn caused ${event.effects.length} later events.` : '';
  get('details').textContent = `${wordsOf(event)}. ${effects}`;
  get('chain').replaceChildren(...causesOf(event).map((one) => item(one, one === event)));
  const rows = [];
  for (const [machine, of] of stateAt(event)) {
    if (of.up && of.notes.size === 0) continue;  // A client, or a node that holds nothing.
    const row = document.createElement('tr');
    const cells = [run.names[machine - 1] || `m${machine}`, of.up ? 'up' : 'down', [...of.notes].map(([group, text]) => `${group}: ${text}`).join('; ')];
    cells.forEach((text, at) => {
      const cell = row.insertCell();
      cell.textContent = text;
      if (at === 1 && !of.up) cell.className = 'down';
    });
    rows.push(row);
  }
  get('state').replaceChildren(...rows);
  const at = visible.indexOf(event);
  if (at >= 0) get('slider').value = at;
  draw();
}
function step(by) {
  const at = selected ? visible.findIndex((event) => event.at >= selected.at) : 0;
  const now = at < 0 ? visible.length : at;
  const exact = visible[now] === selected;
  select(visible[Math.min(visible.length - 1, Math.max(0, now + (by > 0 && !exact ? 0 : by)))], true);
}
function zoom(factor, around) {
  const at = around === undefined ? offset + (width() - LEFT) / scale / 2 : offset + (around - LEFT) / scale;
  scale *= factor;
  offset = at - ((around === undefined ? (width() - LEFT) / 2 : around - LEFT)) / scale;
  draw();
}
const last = () => visible[visible.length - 1];

// ---- The page.
get('title').textContent = run.title;
for (const text of run.violations) {
  const line = document.createElement('p');
  line.className = 'violation';
  line.textContent = text;
  get('violations').append(line);
}
const whereLeft = run.left_out ? `${run.left_out} other events are left out. ` : '';
get('facts').textContent = `${events.length} events, ${operations.length} operations, ${lanes.length} lanes. ${whereLeft}`;
for (const group of GROUPS) {
  const label = document.createElement('label');
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = shown[group];
  box.id = `show-${group}`;
  box.onchange = () => { shown[group] = box.checked; layOut(); whole(); draw(); };
  label.append(box, ` ${group} `);
  get('filters').append(label);
}
for (const [name, text] of [['message', 'message'], ['odd', 'late, doubled or reordered; deed'], ['bad', 'lost (×), fault, down'],
  ['good', 'boot, begins to lead'], ['mark', 'mark']]) {
  const key = document.createElement('span');
  key.className = 'key';
  key.style.background = `var(--${name})`;
  get('legend').append(key, `${text}   `);
}
get('to-end').onclick = () => select(last(), true);
get('all').onclick = () => { whole(); draw(); };
get('in').onclick = () => zoom(1.6);
get('out').onclick = () => zoom(1 / 1.6);
get('steps').onchange = () => { layOut(); whole(); draw(); };
get('slider').oninput = (event) => select(visible[Number(event.target.value)], true);
let searched = '';
get('search').onkeydown = (event) => {
  if (event.key !== 'Enter') return;
  const text = event.target.value.toLowerCase();
  const again = text === searched;
  searched = text;
  matches = text ? visible.filter((one) => wordsOf(one).toLowerCase().includes(text)) : [];
  get('found').textContent = text ? `${matches.length} found` : '';
  const next = matches.find((one) => !again || !selected || one.at > selected.at) || matches[0];
  if (next) select(next, true); else draw();
};
canvas.addEventListener('wheel', (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX);
}, { passive: false });
let drag = null;
canvas.onpointerdown = (event) => { drag = { x: event.offsetX, offset, moved: false }; canvas.setPointerCapture(event.pointerId); };
canvas.onpointermove = (event) => {
  if (!drag) return;
  if (Math.abs(event.offsetX - drag.x) > 3) drag.moved = true;
  if (drag.moved) { offset = drag.offset - (event.offsetX - drag.x) / scale; draw(); }
};
canvas.onpointerup = (event) => {
  const moved = drag && drag.moved;
  drag = null;
  if (moved) return;
  let best = null, distance = 12;
  for (const one of visible) {
    const away = Math.hypot(xOf(place[one.at]) - event.offsetX, yOf(laneOf(one)) - event.offsetY);
    if (away < distance) { best = one; distance = away; }
  }
  select(best, false);
};
document.addEventListener('keydown', (event) => {
  if (event.target.tagName === 'INPUT' && event.target.type === 'search') return;
  if (event.key === 'ArrowRight') step(1);
  else if (event.key === 'ArrowLeft') step(-1);
  else if (event.key === '+') zoom(1.6);
  else if (event.key === '-') zoom(1 / 1.6);
  else if (event.key === 'v' || event.key === 'V') select(last(), true);
  else if ((event.key === 'c' || event.key === 'C') && selected) select(byNumber(selected.cause), true);
  else return;
  event.preventDefault();
});
window.addEventListener('resize', draw);
layOut();
whole();
if (run.violations.length && visible.length) select(last(), true); else draw();
