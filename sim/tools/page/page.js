'use strict';
// A run: lanes for machines, clients, the controller and moves of slots, arrows
// for messages, a state of each replica for each moment, and for each event the
// chain of its causes. Nothing is loaded.
const run = JSON.parse(document.getElementById('run-json').textContent);
const get = (id) => document.getElementById(id);
const LANE = 34, BAND = 8, TOP = 26, LEFT = 104, CONTROLLER = 'group 4294967295';
const plain = (text) => text.replaceAll(CONTROLLER, 'group controller');

// ---- Events. A record is [ns, machine, kind, cause, text]. Its number is
// run.first plus its place, and a cause is such a number; 0: the world.
const events = run.records.map(([ns, machine, kind, cause, text, payload], at) =>
  ({ at, number: run.first + at, ns, machine, kind: run.kinds[kind], cause, text, payload, effects: [], pins: [], seen: [] }));
const byNumber = (number) => events[number - run.first];
const clamped = (number) => events[Math.min(events.length - 1, Math.max(0, number - run.first))];
for (const event of events) {
  const cause = byNumber(event.cause);
  if (cause) cause.effects.push(event);
}
const RUNS = new Set(['boot', 'timer', 'message', 'disk_completion', 'stream_bytes', 'stream_event', 'connect', 'lane_ready']);
// The last record of the turn in which an event happened.
const turnEnd = new Array(events.length);
for (let at = events.length - 1, end = at; at >= 0; at -= 1) {
  turnEnd[at] = end;
  if (RUNS.has(events[at].kind)) end = at - 1;
}

const GROUP_OF = {};
for (const [group, kinds] of Object.entries({
  messages: ['message', 'stream_bytes', 'stream_event', 'connect', 'lane_ready'],
  disk: ['disk_issue', 'disk_completion'],
  timers: ['timer'],
  digests: ['note'],
  marks: ['mark', 'point'],
  faults: ['fault', 'partition_begins', 'partition_ends'],
  deeds: ['deed', 'plan', 'boot', 'crash', 'lead'],
})) for (const kind of kinds) GROUP_OF[kind] = group;
// Most messages say only that all is well.
const isHeartbeat = (event) => GROUP_OF[event.kind] === 'messages'
  && /(^|: |; |bytes )(heartbeat|pulse|nodes: (status|control))/.test(event.text) && !/append|vote|apply|snapshot|timeout now/.test(event.text);
// The end and the start of a machine have events of their own; its streams end
// with it.
const ends = new Set(events.filter((event) => event.kind === 'crash').map((event) => `${event.machine} ${event.ns}`));
const isRepeated = (event) => event.kind === 'fault'
  && (/(_crash|^restart)$/.test(event.text) || (/^stream_/.test(event.text) && ends.has(`${event.machine} ${event.ns}`)));
for (const event of events) event.group = isHeartbeat(event) ? 'heartbeats' : isRepeated(event) ? 'marks' : GROUP_OF[event.kind];
const GROUPS = ['messages', 'heartbeats', 'replicas', 'entries', 'warnings', 'disk', 'timers', 'marks', 'digests', 'faults', 'deeds'];
const shown = { messages: true, heartbeats: false, replicas: true, entries: true, warnings: true, disk: false, timers: false, marks: false, digests: false, faults: true, deeds: true };

// ---- What faults did to messages. A fault has the cause of the message.
const LATE = /^message_(jitter|spike|reordered|replayed)/, LOST = /^(message_(lost|blocked|overflow|corrupted)|stream_(reset|lost_tail|half_open)|connect_(refused|hang))/;
const hit = new Map();
const linkOf = (event) => `${event.cause}>${event.machine}`;
for (const event of events) {
  if (event.kind === 'fault' && event.cause && /^message_/.test(event.text)) hit.set(linkOf(event), `${hit.get(linkOf(event)) || ''} ${event.text}`);
}
const delivered = new Map();
for (const event of events) {
  if (event.kind !== 'message') continue;
  const faults = hit.get(linkOf(event)) || '';
  const twin = `${linkOf(event)} ${event.text}`;
  event.late = /jitter|spike|reordered|replayed/.test(faults);
  event.doubled = delivered.has(twin);
  if (event.doubled) delivered.get(twin).doubled = true;
  delivered.set(twin, event);
}
const isLost = (event) => event.kind === 'fault' && LOST.test(event.text);

// ---- Observations: [after, machine, kind, subject, headline, words].
const REPLICA = 0, ENTRY = 1, LOG = 4;
const replicas = new Map();  // Of a machine: subject to its states in order.
const logs = new Map();      // Of a machine and group: changes of its log.
const groups = new Set();
const pins = [];             // Points of lanes that are no records.
const firstApplied = new Map();
function pin(event, machine, group, text, color) {
  const one = { event, machine, group, text, color };
  event.pins.push(one);
  pins.push(one);
}
for (const [after, machine, kind, subject, headline, words] of events.length ? run.observations : []) {
  const event = clamped(after), inside = after >= run.first;
  if (inside) event.seen.push({ machine, kind, subject, headline, words });
  if (kind === REPLICA) {
    if (!replicas.has(machine)) replicas.set(machine, new Map());
    const of = replicas.get(machine);
    if (!of.has(subject)) of.set(subject, []);
    const states = of.get(subject), before = states[states.length - 1];
    states.push({ after, headline, words });
    if (subject.startsWith('group ')) groups.add(subject);
    if (inside && (!before || before.headline !== headline) && !/^follower of term/.test(before ? '' : headline)) {
      pin(event, machine, 'replicas', `${subject}: ${headline}`, /^leader/.test(headline) ? 'good' : /^(fenced|halted|stopped)/.test(headline) ? 'bad' : 'odd');
    }
  } else if (kind === ENTRY) {
    const [, group, index] = /^(group \d+), index (\d+)$/.exec(subject) || [];
    const key = `${machine} ${group}`;
    if (!logs.has(key)) logs.set(key, []);
    const term = (/term (\d+)/.exec(headline) || [])[1];
    logs.get(key).push({ after, index: Number(index), term, words, cut: /^cut off/.test(headline), restored: /^restored/.test(headline), appended: /^appended/.test(headline) });
    if (/^(cut off|restored)/.test(headline)) {
      if (inside) pin(event, machine, 'entries', `${subject}: ${headline}`, 'bad');
    } else if (/^applied/.test(headline) && !firstApplied.has(`${subject} ${words}`)) {
      firstApplied.set(`${subject} ${words}`, { after, machine, group, subject, words });
      if (inside) pin(event, machine, 'entries', `${subject} applied: ${words}`, 'mark');
    }
  } else if (kind === LOG && subject === 'warning' && inside) {
    pin(event, machine, 'warnings', words, 'bad');
  }
}
const nodeMachines = new Set(replicas.keys());
const groupNames = [...groups].sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)));
const groupsOf = (machine) => groupNames.filter((group) => replicas.get(machine).has(group) && (!onlyGroup || group === onlyGroup));
let onlyGroup = '';
function stateOf(machine, subject, number) {
  const states = (replicas.get(machine) || new Map()).get(subject) || [];
  let low = 0, high = states.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (states[middle].after <= number) low = middle + 1; else high = middle;
  }
  return low > 0 ? states[low - 1] : null;
}

// ---- Lanes: the world, the controller, moves, machines that did something, and
// clients.
const idle = new Set(['boot', 'timer', 'disk_issue', 'disk_completion']);
const busy = new Set(events.filter((e) => !idle.has(e.kind) && e.machine > 0).map((e) => e.machine));
for (const machine of nodeMachines) busy.add(machine);
const calls = run.calls;
for (const call of calls) if (call.machine) busy.add(call.machine);
const nameOf = (machine) => machine === 0 ? 'world' : run.names[machine - 1] || `m${machine}`;
const lanes = [{ name: 'world', machine: 0 }];
// The moves of slots, from the steps that groups applied.
const moves = new Map();
for (const one of firstApplied.values()) {
  const step = /\b(prepare|track|freeze|seal|activate|release|abort) (move \d+)( of slots (\S+) from (group \d+) to (group \d+))?/.exec(one.words);
  if (!step) continue;
  const [, what, name, , slots, from, to] = step;
  if (!moves.has(name)) moves.set(name, { name, steps: [] });
  const move = moves.get(name);
  if (slots) Object.assign(move, { slots, from, to });
  if (!move.steps.some((known) => known.what === what && known.group === one.group)) move.steps.push({ what, ...one });
}
if (groups.has(CONTROLLER)) lanes.push({ name: 'controller', controller: true });
const moveLanes = [];
for (const move of moves.values()) {
  move.steps.sort((a, b) => a.after - b.after);
  move.begin = move.steps[0].after;
  const over = move.steps.find((step) => step.what === 'release' || step.what === 'abort');
  move.end = over ? over.after : Infinity;
  if (move.end < run.first) continue;
  let lane = moveLanes.find((one) => one.until < move.begin);
  if (!lane) {
    lane = { name: moveLanes.length ? '' : 'moves', moves: [] };
    moveLanes.push(lane);
    lanes.push(lane);
  }
  lane.moves.push(move);
  lane.until = move.end;
}
const sorted = [...busy].sort((a, b) => (nodeMachines.has(b) - nodeMachines.has(a)) || a - b);
for (const machine of sorted) lanes.push({ name: nameOf(machine), machine, node: nodeMachines.has(machine) });
const laneOfMachine = new Map();
lanes.forEach((lane, at) => { if (lane.machine !== undefined) laneOfMachine.set(lane.machine, at); });
// A node that is its own client has a second lane for the calls.
const laneOfCaller = new Map();
for (const call of calls) {
  if (!nodeMachines.has(call.machine) && laneOfMachine.has(call.machine)) {
    laneOfCaller.set(call.client, laneOfMachine.get(call.machine));
  } else if (!laneOfCaller.has(call.client)) {
    laneOfCaller.set(call.client, lanes.length);
    lanes.push({ name: call.client });
  }
}
for (const call of calls) {
  call.text = `${call.words} → ${call.end === null ? 'no answer' : call.outcome === 'answer' ? call.answer : call.outcome}`;
  for (const number of [call.begin_record, call.end_record]) {
    const event = byNumber(number);
    if (event) event.call = call;
  }
}

// ---- Places. With steps each shown event has the same distance to the next.
let visible = [];
let scale = 1, offset = 0, selected = null, matches = [];
const place = new Float64Array(events.length + 1);
const ofOnlyGroup = (event) => !onlyGroup || (event.group !== 'messages' && event.group !== 'heartbeats') || !/group \d+/.test(event.text)
  || new RegExp(`${onlyGroup}\\b`).test(event.text);
const pinShown = (one) => shown[one.group] && (!onlyGroup || !/^group \d+/.test(one.text) || one.text.startsWith(`${onlyGroup}:`) || one.text.startsWith(`${onlyGroup},`));
const isShown = (event) => laneOfMachine.has(event.machine)
  && ((shown[event.group] && ofOnlyGroup(event)) || event.call || event.pins.some(pinShown) || event === selected);
function layOut() {
  visible = events.filter(isShown);
  const steps = get('steps').checked;
  const begin = events.length ? events[0].ns : 0;
  let step = 0, next = 0;
  for (const event of events) {
    place[event.at] = steps ? step : (event.ns - begin) / 1e6;
    if (next < visible.length && visible[next] === event) { next += 1; step += 1; }
  }
  place[events.length] = events.length ? (steps ? step : place[events.length - 1] + 1) : 1;
  get('slider').max = Math.max(0, visible.length - 1);
  let y = TOP;
  for (const lane of lanes) {
    lane.top = y;
    lane.bands = lane.node ? groupsOf(lane.machine) : [];
    lane.height = LANE + BAND * lane.bands.length;
    y += lane.height;
  }
  lanes.height = y + 10;
}
const placeOfRecord = (number) => number < run.first ? 0 : place[Math.min(events.length, number - run.first)];
const canvas = get('canvas'), context = canvas.getContext('2d');
const xOf = (at) => LEFT + (at - offset) * scale;
const yOf = (lane) => lanes[lane].top + LANE / 2;
const laneOf = (event) => laneOfMachine.get(event.machine);
const width = () => get('figure').clientWidth;
function whole() {
  scale = Math.max(1e-6, (width() - LEFT - 30) / Math.max(1, place[events.length]));
  offset = 0;
}
// So near that neighbours can be told apart, with `event` in view.
function near(event) {
  const most = get('steps').checked ? 16 : 1e3;
  if (scale < most / 4) scale = most;
  offset = Math.max(-1, place[event.at] - (width() - LEFT) / scale * 0.7);
}

// ---- Drawing.
let palette = {};
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ['back', 'text', 'dim', 'line', 'message', 'odd', 'bad', 'good', 'mark', 'select', 'leader', 'candidate', 'follower', 'down']) {
    palette[name] = style.getPropertyValue(`--${name}`).trim();
  }
}
function line(x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}
function arrow(x1, y1, x2, y2, style, dashed) {
  context.strokeStyle = context.fillStyle = style;
  context.setLineDash(dashed ? [4, 3] : []);
  line(x1, y1, x2, y2);
  context.setLineDash([]);
  const angle = Math.atan2(y2 - y1, x2 - x1);
  context.beginPath();
  context.moveTo(x2, y2);
  context.lineTo(x2 - 7 * Math.cos(angle - 0.35), y2 - 7 * Math.sin(angle - 0.35));
  context.lineTo(x2 - 7 * Math.cos(angle + 0.35), y2 - 7 * Math.sin(angle + 0.35));
  context.fill();
}
function bar(from, to, top, height, style, alpha, words) {
  const x1 = Math.max(LEFT, xOf(from)), x2 = Math.min(width(), Math.max(xOf(to), xOf(from) + 3));
  if (x2 < LEFT || x1 > width()) return;
  context.globalAlpha = alpha;
  context.fillStyle = style;
  context.fillRect(x1, top, x2 - x1, height);
  context.globalAlpha = 1;
  if (!words) return;
  context.save();
  context.beginPath();
  context.rect(x1, top - 2, x2 - x1, height + 4);
  context.clip();
  context.fillStyle = palette.text;
  context.fillText(words, x1 + 3, top + height - 3);
  context.restore();
}
// The times between a beginning and an end: [machine or name, from, to, words].
const bars = [];
{
  const open = new Map();
  const begin = (key, lane, event, words) => open.set(key, { lane, from: event, words });
  const end = (key, event) => { if (open.has(key)) { bars.push({ ...open.get(key), to: event }); open.delete(key); } };
  for (const event of events) {
    if (event.kind === 'crash') begin(`down ${event.machine}`, event.machine, event, 'down');
    if (event.kind === 'boot') end(`down ${event.machine}`, event);
    if (event.kind === 'partition_begins') begin(`cut ${event.payload}`, 0, event, event.text);
    if (event.kind === 'partition_ends') end(`cut ${event.payload}`, event);
    for (const one of event.seen) {
      if (one.subject !== 'machine') continue;
      if (one.headline === 'paused') begin(`pause ${one.machine}`, one.machine, event, 'paused'); else end(`pause ${one.machine}`, event);
    }
  }
  for (const one of open.values()) bars.push({ ...one, to: null });
}
const colorOfState = (headline) => /^leader/.test(headline) ? 'leader' : /^(fenced|halted|stopped)/.test(headline) ? 'bad'
  : /candidate/.test(headline) ? 'candidate' : 'follower';
function drawLanes() {
  context.font = '12px system-ui, sans-serif';
  context.strokeStyle = palette.line;
  lanes.forEach((lane, at) => line(LEFT, yOf(at), width(), yOf(at)));
  for (const one of bars) {
    const lane = laneOfMachine.get(one.lane);
    if (lane === undefined) continue;
    const to = one.to ? place[one.to.at] : place[events.length];
    bar(place[one.from.at], to, yOf(lane) - 11, 22, one.words === 'down' ? palette.down : palette.odd, one.words === 'down' ? 0.8 : 0.25, one.words);
  }
  for (const lane of lanes) lane.bands.forEach((group, at) => drawBand(lane, group, lane.top + LANE - 4 + at * BAND));
  const controller = lanes.findIndex((lane) => lane.controller);
  if (controller >= 0) {
    let free = 0;
    for (const one of firstApplied.values()) {
      if (one.group !== CONTROLLER || one.after < run.first || /reports its addresses/.test(one.words)) continue;
      const x = xOf(placeOfRecord(one.after));
      if (x < LEFT || x > width()) continue;
      context.fillStyle = palette.mark;
      context.fillRect(x - 2, yOf(controller) - 4, 4, 8);
      if (x < free) continue;
      context.fillStyle = palette.text;
      const words = one.words.slice(0, 40);
      context.fillText(words, x + 4, yOf(controller) - 5);
      free = x + 12 + context.measureText(words).width;
    }
  }
  for (const lane of lanes) {
    for (const move of lane.moves || []) drawMove(lane, move);
  }
}
function drawBand(lane, group, top) {
  const states = replicas.get(lane.machine).get(group);
  context.fillStyle = palette.dim;
  for (let i = 0; i < states.length;) {
    let last = i;
    while (last + 1 < states.length && states[last + 1].headline === states[i].headline) last += 1;
    const from = placeOfRecord(states[i].after), to = last + 1 < states.length ? placeOfRecord(states[last + 1].after) : place[events.length];
    if (states[i].headline !== 'dropped') bar(from, to, top, BAND - 2, palette[colorOfState(states[i].headline)], 1);
    i = last + 1;
  }
  // It has no state while its machine is down.
  for (const one of bars) {
    if (one.lane === lane.machine && one.words === 'down') bar(place[one.from.at], one.to ? place[one.to.at] : place[events.length], top, BAND - 2, palette.down, 1);
  }
}
function drawMove(lane, move) {
  const top = lane.top + 5, to = move.end === Infinity ? place[events.length] : placeOfRecord(move.end);
  bar(placeOfRecord(move.begin), to, top, LANE - 10, palette.message, 0.2);
  const freeze = move.steps.find((step) => step.what === 'freeze');
  const thaw = move.steps.find((step) => step.what === 'activate' || step.what === 'abort');
  if (freeze) bar(placeOfRecord(freeze.after), thaw ? placeOfRecord(thaw.after) : to, top, LANE - 10, palette.odd, 0.35);
  context.fillStyle = palette.text;
  const x = xOf(placeOfRecord(move.begin));
  if (x > LEFT - 300 && x < width()) {
    context.fillText(`${move.name}: slots ${move.slots || '?'} ${(move.from || '').replace('group ', 'g')}→${(move.to || '').replace('group ', 'g')}`, Math.max(LEFT, x) + 3, top + 11);
  }
  let free = LEFT;
  for (const step of move.steps) {
    const at = xOf(placeOfRecord(step.after)), words = `${step.what} in ${step.group.replace('group ', 'g')}`;
    if (at < LEFT || at > width()) continue;
    context.fillRect(at - 1, top, 2, LANE - 10);
    if (at < free) continue;
    context.fillText(words, at + 3, top + 22);
    free = at + 8 + context.measureText(words).width;
  }
}
// Calls of one client that overlap have rows of their own, up to three.
const rowsOfLane = new Map();
for (const call of calls) {
  const lane = laneOfCaller.get(call.client);
  if (!rowsOfLane.has(lane)) rowsOfLane.set(lane, []);
  const rows = rowsOfLane.get(lane);
  call.row = rows.findIndex((until) => until <= call.begin_record);
  if (call.row < 0) call.row = Math.min(2, rows.length);
  rows[call.row] = Math.max(rows[call.row] || 0, call.end === null ? Infinity : call.end_record);
}
function drawCalls() {
  const free = new Map();  // Where the last text of a row ends.
  for (const call of calls) {
    const lane = laneOfCaller.get(call.client), rows = rowsOfLane.get(lane).length;
    const height = [22, 13, 10][rows - 1];
    const top = yOf(lane) - rows * height / 2 + call.row * height;
    const x1 = xOf(placeOfRecord(call.begin_record));
    const x2 = call.end === null ? width() : Math.max(x1 + 4, xOf(placeOfRecord(call.end_record)));
    const left = Math.max(LEFT, x1);
    call.box = { x1: left, x2: Math.max(x2, x1 + 40), y: top + height / 2, height };
    if (x2 < LEFT || x1 > width()) continue;
    context.fillStyle = call.end === null || call.outcome === 'unknown' ? palette.odd : call.outcome === 'refused' ? palette.dim : palette.message;
    context.globalAlpha = 0.25;
    context.fillRect(left, top, x2 - left, height - 1);
    context.globalAlpha = 1;
    const row = `${lane} ${call.row}`;
    if (left < (free.get(row) || 0)) continue;
    context.font = `${rows > 1 ? 10 : 12}px system-ui, sans-serif`;
    free.set(row, left + Math.min(220, context.measureText(call.text).width));
    context.fillStyle = palette.text;
    context.save();
    context.beginPath();
    context.rect(left, top - 1, Math.max(x2 - x1, 220), height + 2);
    context.clip();
    context.fillText(call.text, left + 3, top + height / 2 + (rows > 1 ? 3 : 4));
    context.restore();
  }
  context.font = '12px system-ui, sans-serif';
}
function colorOf(event) {
  if (event.kind === 'lead' || event.kind === 'boot') return palette.good;
  if (event.group === 'faults') return isLost(event) ? palette.bad : palette.odd;
  if (event.kind === 'crash') return palette.bad;
  if (event.kind === 'deed' || event.kind === 'plan') return palette.odd;
  if (event.group === 'marks') return palette.mark;
  if (event.group === 'messages' || event.group === 'heartbeats') return event.late || event.doubled ? palette.odd : palette.message;
  return palette.dim;
}
function drawEvents() {
  const matching = new Set(matches);
  const labelled = new Map();  // Where the last label of a lane ends.
  const label = (lane, x, y, words) => {
    if (scale <= 3 || x < (labelled.get(lane) || 0)) return;
    context.fillStyle = palette.text;
    const cut = words.length > 36 ? `${words.slice(0, 35)}…` : words;
    context.fillText(cut, x + 6, y - 8);
    labelled.set(lane, x + 10 + context.measureText(cut).width);
  };
  context.lineWidth = 1;
  for (const event of visible) {
    const x = xOf(place[event.at]), lane = laneOf(event), y = yOf(lane);
    const cause = byNumber(event.cause);
    const from = cause && laneOfMachine.has(cause.machine) ? cause : null;
    // Faults of streams are the world's: an arrow would say nothing.
    if (from && from.machine !== event.machine && event.machine > 0 && x > LEFT && xOf(place[from.at]) < width() && x < width() + 400
        && (event.group === 'messages' || event.group === 'heartbeats' || event.group === 'faults') && shown[event.group]) {
      const x1 = xOf(place[from.at]), y1 = yOf(laneOf(from));
      const part = x1 < LEFT ? (LEFT - x1) / (x - x1) : 0;
      arrow(x1 + part * (x - x1), y1 + part * (y - y1), x, y, colorOf(event), isLost(event));
      if (event.doubled) arrow(x1 + part * (x - x1) + 3, y1 + part * (y - y1), x + 3, y, colorOf(event), false);
    }
    if (x < LEFT || x > width()) continue;
    context.fillStyle = colorOf(event);
    context.beginPath();
    context.arc(x, y, matching.has(event) ? 6 : event.group === 'messages' ? 2.5 : 4, 0, 7);
    context.fill();
    if (isLost(event)) {
      context.strokeStyle = palette.bad;
      line(x - 5, y - 5, x + 5, y + 5);
      line(x - 5, y + 5, x + 5, y - 5);
    }
    for (const one of event.pins) {
      if (!pinShown(one) || !laneOfMachine.has(one.machine)) continue;
      const py = yOf(laneOfMachine.get(one.machine));
      context.fillStyle = palette[one.color];
      context.beginPath();
      context.moveTo(x, py - 5);
      context.lineTo(x + 5, py);
      context.lineTo(x, py + 5);
      context.lineTo(x - 5, py);
      context.fill();
      label(laneOfMachine.get(one.machine), x, py, plain(one.text).replace(/^group (\d+)/, 'g$1').replace(', index ', '#').replace(' applied', ''));
    }
    if (event.kind === 'deed' || event.kind === 'crash') label(lane, x, y, event.text || event.kind);
    if (event.kind === 'fault' && !/^stream_|^message_/.test(event.text)) label(lane, x, y, event.text);
  }
}
function drawSelected(height) {
  context.strokeStyle = palette.select;
  context.setLineDash([2, 3]);
  line(xOf(place[selected.at]), TOP, xOf(place[selected.at]), height);
  context.setLineDash([]);
  // The causes as one line, back to the world.
  context.lineWidth = 3;
  context.globalAlpha = 0.35;
  for (let event = selected; ;) {
    const cause = byNumber(event.cause);
    if (!cause || !laneOfMachine.has(cause.machine) || !laneOfMachine.has(event.machine) || xOf(place[event.at]) < LEFT) break;
    line(xOf(place[cause.at]), yOf(laneOf(cause)), xOf(place[event.at]), yOf(laneOf(event)));
    event = cause;
  }
  context.globalAlpha = 1;
  context.lineWidth = 1;
}
// Times along the top: of the events there, or at equal distances.
function drawTimes() {
  context.fillStyle = palette.dim;
  let free = LEFT;
  for (const event of visible) {
    const x = xOf(place[event.at]);
    if (x < free) continue;
    if (x > width() - 60) break;
    context.fillRect(x, TOP - 8, 1, 5);
    context.fillText(`${(event.ns / 1e9).toFixed(4)} s`, x + 3, TOP - 8);
    free = x + 110;
  }
}
function draw() {
  const ratio = window.devicePixelRatio || 1, height = lanes.height;
  canvas.width = width() * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width()}px`;
  canvas.style.height = `${height}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = palette.back;
  context.fillRect(0, 0, width(), height);
  if (!events.length) return;
  drawLanes();
  drawTimes();
  drawCalls();
  drawEvents();
  if (selected) drawSelected(height);
  // Names stay where they are.
  context.fillStyle = palette.back;
  context.fillRect(0, 0, LEFT - 4, height);
  context.font = '12px system-ui, sans-serif';
  lanes.forEach((lane, at) => {
    context.fillStyle = palette.text;
    context.fillText(lane.name, 8, yOf(at) + 4);
    context.fillStyle = palette.dim;
    context.font = '9px system-ui, sans-serif';
    lane.bands.forEach((group, band) => context.fillText(group === CONTROLLER ? 'controller' : group.replace('group ', 'g'), 50, lane.top + LANE + 2 + band * BAND));
    context.font = '12px system-ui, sans-serif';
  });
}

// ---- The state of the replicas at a moment.
function logAt(machine, group, number, state) {
  const entries = new Map();
  for (const change of logs.get(`${machine} ${group}`) || []) {
    if (change.after > number) break;
    if (change.cut) for (const index of [...entries.keys()]) { if (index >= change.index) entries.delete(index); }
    if (change.restored) entries.clear();
    if (change.appended) {
      for (const index of [...entries.keys()]) { if (index > change.index) entries.delete(index); }
      entries.set(change.index, change);
    }
  }
  const numberIn = (name) => Number((new RegExp(`${name} (\\d+)`).exec(state.words) || [0, 0])[1]);
  const commit = numberIn('commit'), durable = numberIn('on disk to');
  const [, first, last] = /log (\d+)\.\.(\d+)/.exec(state.words) || [0, 1, 0];
  const cell = document.createElement('span');
  for (let index = Math.max(Number(first), Number(last) - 5); index <= Number(last); index += 1) {
    const entry = entries.get(index), box = document.createElement('span');
    box.className = `entry${index <= commit ? ' committed' : ''}${index <= durable ? ' durable' : ''}`;
    box.textContent = `${index}${entry && entry.term ? `·t${entry.term}` : ''}`;
    box.title = entry ? `index ${index}, term ${entry.term}: ${entry.words}` : `index ${index}`;
    cell.append(box);
  }
  return cell;
}
const isUp = (machine, number) => {
  let up = true;
  for (let at = Math.min(events.length, number - run.first + 1) - 1; at >= 0; at -= 1) {
    const event = events[at];
    if (event.machine !== machine) continue;
    if (event.kind === 'boot') return true;
    if (event.kind === 'crash') return false;
  }
  return up;
};
// A node that stopped has no such state any more once it starts again.
const bootedSince = (machine, after, number) => events.some((event) =>
  event.kind === 'boot' && event.machine === machine && event.number > after && event.number <= number);
let lastState = new Map();
function showState(number) {
  const rows = [], now = new Map();
  const head = document.createElement('tr');
  for (const name of ['node', 'group', 'role', 'commit', 'applied', 'log', 'rest']) {
    const cell = document.createElement('th');
    cell.textContent = name;
    head.append(cell);
  }
  for (const machine of [...nodeMachines].sort((a, b) => a - b)) {
    const up = isUp(machine, number);
    const subjects = [...replicas.get(machine).keys()].filter((subject) => subject.startsWith('group ') ? !onlyGroup || subject === onlyGroup : subject !== 'machine');
    for (const subject of subjects) {
      const state = stateOf(machine, subject, number);
      if (!state || /^dropped/.test(state.headline) || (subject === 'node' && bootedSince(machine, state.after, number))) continue;
      const value = (name) => (new RegExp(`${name} (\\d+)`).exec(state.words) || ['', ''])[1];
      const rest = state.words.replace(/^commit \d+, applied \d+, log \d+\.\.\d+ \(last of term \d+\), on disk to \d+(, )?/, '');
      const row = document.createElement('tr');
      if (!up) row.className = 'down';
      const cells = [nameOf(machine), plain(subject).replace('group ', ''), up ? state.headline : 'down', value('commit'), value('applied'), null, rest];
      cells.forEach((text, at) => {
        const cell = row.insertCell();
        if (text === null) cell.append(logAt(machine, subject, number, state)); else cell.textContent = text;
        if (at === 2) cell.className = `role ${/^leader/.test(text) ? 'leader' : /^(fenced|halted|stopped)/.test(text) ? 'bad' : ''}`;
        const key = `${machine} ${subject} ${at}`, content = cell.textContent;
        if (lastState.has(key) && lastState.get(key) !== content) cell.classList.add('changed');
        now.set(key, content);
      });
      rows.push(row);
    }
  }
  lastState = now;
  get('state').replaceChildren(head, ...rows);
}

// ---- The selected event.
const seconds = (ns) => `${(ns / 1e9).toFixed(6)} s`;
const wordsOf = (event) => plain(`${seconds(event.ns)}  ${nameOf(event.machine)}  ${event.kind}  ${event.text}`);
function causesOf(event) {
  const chain = [event];
  for (let cause = byNumber(event.cause); cause && chain.length < 200; cause = byNumber(cause.cause)) chain.push(cause);
  return chain;
}
function item(words, event, now) {
  const line = document.createElement('li');
  line.textContent = words;
  if (now) line.className = 'now';
  if (event) line.onclick = () => select(event, true);
  return line;
}
// What the turn of the event did, in words.
function turnOf(event) {
  const lines = [];
  for (let at = event.at; at <= turnEnd[event.at]; at += 1) {
    if (at > event.at && events[at].kind !== 'note') lines.push(item(plain(`${events[at].kind}: ${events[at].text}`), events[at]));
    for (const one of events[at].seen) {
      const words = one.kind === LOG ? `log: ${one.words}` : `${one.subject}: ${one.headline}${one.words ? `, ${one.words}` : ''}`;
      lines.push(item(plain(words), null));
    }
  }
  return lines;
}
function select(event, show) {
  if (!event) return;
  const hidden = !isShown(event);
  selected = event;
  if (hidden) layOut();
  if (show) {
    const x = xOf(place[event.at]);
    if (x < LEFT + 20 || x > width() - 40) near(event);
  }
  get('selected').textContent = `Event #${event.number}`;
  get('moment').textContent = seconds(event.ns);
  const call = event.call ? `  ${event.call.client}: ${event.call.text}.` : '';
  const odd = [event.late && 'It was late.', event.doubled && 'It was delivered twice.'].filter(Boolean).join(' ');
  const effects = event.effects.length ? `Its turn caused ${count(event.effects.length, 'later event')}.` : '';
  get('details').textContent = `${wordsOf(event)}.${call} ${odd} ${effects}`;
  get('turn').replaceChildren(...turnOf(event));
  get('chain').replaceChildren(...causesOf(event).map((one) => item(`#${one.number}  ${wordsOf(one)}`, one, one === event)));
  showState(run.first + turnEnd[event.at]);
  for (const line of get('causes').children) line.classList.toggle('now', Number(line.dataset.record) === event.number);
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
  const x = around === undefined ? LEFT + (width() - LEFT) / 2 : around;
  const at = offset + (x - LEFT) / scale;
  scale *= factor;
  offset = at - (x - LEFT) / scale;
  draw();
}
const around = () => visible.find((event) => event.number >= run.around) || events[events.length - 1];
const focus = () => byNumber(run.focus) || around();

// ---- The page.
get('title').textContent = run.title;
for (const text of run.violations) {
  const line = document.createElement('p');
  line.className = 'violation';
  line.textContent = plain(text);
  get('violations').append(line);
}
const whereLeft = run.left_out ? `${run.left_out} other events are left out (--around shows others). ` : '';
const count = (number, name) => `${number} ${name}${number === 1 ? '' : 's'}`;
get('facts').textContent = `${count(events.length, 'event')}, ${count(calls.length, 'call')}, ${count(nodeMachines.size, 'node')}. ${whereLeft}`;
for (const [depth, words, record, violates] of run.causes) {
  const event = byNumber(record);
  const line = item(plain(words), event);
  line.classList.add(`d${depth}`);
  line.classList.toggle('bad', violates);
  if (event) line.dataset.record = record;
  get('causes').append(line);
}
get('why').hidden = run.causes.length === 0;
for (const group of groupNames) {
  const option = document.createElement('option');
  option.value = group;
  option.textContent = plain(group).replace('group ', '');
  get('group').append(option);
}
get('group').onchange = (event) => { onlyGroup = event.target.value; layOut(); select(selected || focus(), true); };
for (const group of GROUPS) {
  const label = document.createElement('label');
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = shown[group];
  box.id = `show-${group}`;
  box.onchange = () => { shown[group] = box.checked; layOut(); if (selected) near(selected); draw(); };
  label.append(box, ` ${group} `);
  get('filters').append(label);
}
for (const [name, text] of [['leader', 'leader'], ['candidate', 'candidate'], ['follower', 'follower'], ['down', 'down'], ['message', 'message, call'],
  ['odd', 'late (orange arrow) or doubled (two arrows); deed, pause, partition, frozen slots'], ['bad', 'lost (dashed, ×), end, fenced'], ['good', 'start, begins to lead'], ['mark', 'an entry is applied for the first time']]) {
  const key = document.createElement('span');
  key.className = 'key';
  key.style.background = `var(--${name})`;
  get('legend').append(key, `${text}   `);
}
get('to-end').hidden = !run.violations.length || !byNumber(run.focus);
get('to-end').onclick = () => { if (focus()) { near(focus()); select(focus(), true); } };
get('all').onclick = () => { whole(); draw(); };
get('in').onclick = () => zoom(1.6);
get('out').onclick = () => zoom(1 / 1.6);
get('steps').onchange = () => { layOut(); whole(); draw(); };
get('slider').oninput = (event) => select(visible[Number(event.target.value)], true);
let searched = '';
const textOf = (event) => `${wordsOf(event)} ${event.pins.map((one) => one.text).join(' ')} ${event.seen.map((one) => `${one.subject} ${one.headline} ${one.words}`).join(' ')} ${event.call ? event.call.text : ''}`;
get('search').onkeydown = (event) => {
  if (event.key !== 'Enter') return;
  const text = event.target.value.toLowerCase();
  const again = text === searched;
  if (!again) matches = text ? events.filter((one) => laneOfMachine.has(one.machine) && textOf(one).toLowerCase().includes(text)) : [];
  searched = text;
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
  if (!drag) {
    const one = eventNear(event.offsetX, event.offsetY);
    canvas.title = one ? `${wordsOf(one)}${one.pins.map((pin) => `\n${plain(pin.text)}`).join('')}` : '';
    return;
  }
  if (Math.abs(event.offsetX - drag.x) > 3) drag.moved = true;
  if (drag.moved) { offset = drag.offset - (event.offsetX - drag.x) / scale; draw(); }
};
function eventNear(x, y) {
  let best = null, distance = 12;
  const consider = (one, lane) => {
    const away = Math.hypot(xOf(place[one.at]) - x, yOf(lane) - y);
    if (away < distance) { best = one; distance = away; }
  };
  for (const one of visible) consider(one, laneOf(one));
  for (const one of pins) { if (pinShown(one) && laneOfMachine.has(one.machine)) consider(one.event, laneOfMachine.get(one.machine)); }
  return best;
}
canvas.onpointerup = (event) => {
  const moved = drag && drag.moved, x = event.offsetX, y = event.offsetY;
  drag = null;
  if (moved) return;
  let best = eventNear(x, y);
  const call = calls.find((one) => one.box && x >= one.box.x1 && x <= one.box.x2 && Math.abs(y - one.box.y) <= one.box.height / 2);
  if (!best && call) best = byNumber(call.end === null ? call.begin_record : call.end_record) || byNumber(call.begin_record);
  if (!best) {
    // The state at that place.
    const at = offset + (x - LEFT) / scale;
    best = visible.filter((one) => place[one.at] <= at).pop();
  }
  select(best, false);
};
document.addEventListener('keydown', (event) => {
  if (event.target.tagName === 'SELECT' || (event.target.tagName === 'INPUT' && event.target.type === 'search')) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'ArrowRight') step(1);
  else if (event.key === 'ArrowLeft') step(-1);
  else if (event.key === '+') zoom(1.6);
  else if (event.key === '-') zoom(1 / 1.6);
  else if (event.key === 'v' || event.key === 'V') get('to-end').click();
  else if ((event.key === 'c' || event.key === 'C') && selected) select(byNumber(selected.cause), true);
  else return;
  event.preventDefault();
});
window.addEventListener('resize', draw);
const scheme = window.matchMedia('(prefers-color-scheme: dark)');
scheme.addEventListener('change', () => { readPalette(); draw(); });
readPalette();
layOut();
whole();
if (events.length) {
  selected = null;
  if (scale < 4) near(around());
  select(around(), true);
} else {
  draw();
}
