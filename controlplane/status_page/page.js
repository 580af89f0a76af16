// The status page: reads status.json every 2 s and shows it, rates as small graphs.
// Everything that comes from outside is put in as text, never as markup.
'use strict';

const INTERVAL_MS = 2000;
const SAMPLES = 60; // of a graph: 2 minutes
const OPEN_POOLS = 200; // with more backends than this, pools are closed at first

const histories = new Map(); // by row: {time, values, used, rates: [[...], ...]}
const tables = new Map(); // by id: {body, rows}
let lastTime = 0;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// 1234567 -> "1.23 M"
function short(value, unit) {
  const steps = ['', 'k', 'M', 'G', 'T'];
  let step = 0;
  while (value >= 1000 && step < steps.length - 1) {
    value /= 1000;
    ++step;
  }
  const digits = value === 0 || (step === 0 && value >= 10) ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${steps[step]}${unit}`;
}

function age(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// Rates per second of counters since the last time; null before there are two values.
function rates(key, time, values) {
  const known = histories.get(key);
  // New, counted from zero again, or the clock was set back.
  if (!known || time < known.time || values.some((value, i) => value < known.values[i])) {
    histories.set(key, {time, values, used: lastTime, rates: values.map(() => [])});
    return null;
  }
  if (time > known.time) {
    const seconds = (time - known.time) / 1000;
    values.forEach((value, i) => {
      known.rates[i].push((value - known.values[i]) / seconds);
      if (known.rates[i].length > SAMPLES) known.rates[i].shift();
    });
    known.time = time;
    known.values = values;
  }
  known.used = lastTime;
  return known.rates[0].length ? known.rates : null;
}

const now = (series) => series[series.length - 1];

function graph(series) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 120 24');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'rate over the last two minutes');
  const path = document.createElementNS(space, 'path');
  svg.append(path);
  draw(svg, series);
  return svg;
}

function draw(svg, series) {
  const top = Math.max(...series, 1e-9);
  const points = series.map((value, i) => {
    const x = 120 - (series.length - 1 - i) * (120 / (SAMPLES - 1));
    return `${x.toFixed(1)} ${(23 - 22 * (value / top)).toFixed(1)}`;
  });
  if (points.length === 1) points.unshift(`118 ${points[0].split(' ')[1]}`);
  svg.firstChild.setAttribute('d', 'M' + points.join('L'));
}

// A table below `parent` whose rows are kept by key, so that selected text and focus stay.
// columns: [heading, class]; rows: [key, [cell, ...]], a cell is a text, {text, className} or {series}.
function showTable(id, parent, columns, rows) {
  let table = tables.get(id);
  if (!table || table.parent !== parent) {
    const node = element('table');
    const head = element('tr');
    for (const [heading, className] of columns) {
      const cell = element('th', heading, className);
      cell.scope = 'col';
      head.append(cell);
    }
    const top = element('thead');
    top.append(head);
    const body = element('tbody');
    node.append(top, body);
    parent.replaceChildren(node);
    table = {parent, body, rows: new Map()};
    tables.set(id, table);
  }
  const keys = new Set(rows.map(([key]) => key));
  for (const [key, row] of table.rows) {
    if (keys.has(key)) continue;
    row.remove();
    table.rows.delete(key);
  }
  rows.forEach(([key, cells], place) => {
    let row = table.rows.get(key);
    if (!row) {
      row = element('tr');
      columns.forEach(([, className]) => row.append(element('td', '', className)));
      table.rows.set(key, row);
    }
    if (table.body.children[place] !== row) table.body.insertBefore(row, table.body.children[place] || null);
    cells.forEach((cell, i) => fillCell(row.children[i], cell, columns[i][1]));
  });
}

function fillCell(node, cell, className) {
  if (cell.series) {
    if (node.firstChild) draw(node.firstChild, cell.series);
    else node.append(graph(cell.series));
    return;
  }
  setText(node, cell.text === undefined ? String(cell) : cell.text);
  const wanted = [className, cell.className].filter(Boolean).join(' ');
  if (node.className !== wanted) node.className = wanted;
}

// Cells of the rates of packets, bytes and new flows.
function traffic(key, status, item) {
  if (!status.has_stats) return ['', '', '', ''];
  const all = rates(key, status.taken_at_ms, [item.packets, item.bytes, item.new_flows]);
  if (!all) return ['…', '…', '…', ''];
  return [short(now(all[0]), ''), short(now(all[1]) * 8, 'bit/s'), short(now(all[2]), ''), {series: all[0]}];
}
const TRAFFIC = [['packets/s', 'number'], ['rate', 'number'], ['new flows/s', 'number'], ['', '']];

function showVips(status) {
  const columns = [['name'], ['address'], ['pool'], ...TRAFFIC, ['drops', 'number']];
  showTable('vips', document.getElementById('vips'), columns, status.vips.map((vip) => {
    const host = vip.address.includes(':') ? `[${vip.address}]` : vip.address;
    const place = `${host}:${vip.port || 'any'} ${vip.protocol}`;
    return [vip.name, [vip.name, place, vip.pool, ...traffic(`vip ${vip.name}`, status, vip),
      status.has_stats ? String(vip.drops) : '']];
  }));
}

function backendRow(pool, backend, status) {
  const health = backend.health === 'unprobed' ? 'no probe' : backend.health;
  const where = backend.reachable ? backend.reason : [backend.reason, backend.next_hop].filter(Boolean).join('; ');
  return [backend.name, [backend.name, backend.address, backend.state,
    {text: health, className: backend.health},
    where, backend.health === 'unprobed' ? '' : age(backend.age_ms),
    `${(backend.share * 100).toFixed(1)} %`,
    ...traffic(`backend ${pool.name} ${backend.name}`, status, backend)]];
}

const pools = new Map(); // by name: {details, line, holder}

function showPools(status) {
  const parent = document.getElementById('pools');
  const count = status.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  const names = new Set(status.pools.map((pool) => pool.name));
  for (const [name, shown] of pools) {
    if (names.has(name)) continue;
    shown.details.remove();
    pools.delete(name);
    tables.delete(`pool ${name}`);
  }
  for (const pool of status.pools) {
    let shown = pools.get(pool.name);
    if (!shown) {
      shown = {details: element('details'), line: element('summary'), holder: element('div', undefined, 'scroll')};
      shown.details.dataset.pool = pool.name;
      shown.details.open = count <= OPEN_POOLS;
      shown.details.append(shown.line, shown.holder);
      parent.append(shown.details);
      pools.set(pool.name, shown);
    }
    setText(shown.line, `${pool.name}: ${pool.serving}, table ${pool.digest}`);
    if (!shown.details.open) continue;
    const columns = [['backend'], ['address'], ['state'], ['health'], ['reason', 'wide'], ['since', 'number'],
      ['share', 'number'], ...TRAFFIC];
    showTable(`pool ${pool.name}`, shown.holder, columns, pool.backends.map((b) => backendRow(pool, b, status)));
  }
}

function showTotals(status) {
  const parent = document.getElementById('totals');
  const counters = status.has_stats ? status.stats.counters : null;
  const names = [['received_packets', 'received', ' packets/s'], ['forwarded_packets', 'forwarded', ' packets/s'],
    ['flow_inserts', 'new flows', ' flows/s']];
  parent.replaceChildren(...(counters ? names : []).map(([name, label, unit]) => {
    const all = rates(`total ${name}`, status.taken_at_ms, [counters[name]]);
    const box = element('div', undefined, 'total');
    box.append(element('span', label, 'soft'), element('b', all ? short(now(all[0]), '') + unit : '…'));
    if (all) box.append(graph(all[0]));
    return box;
  }));
}

function showWorkers(status) {
  const workers = status.has_stats ? status.stats.workers : [];
  const columns = [['worker'], ['packets/s', 'number'], ['busy', 'number'], ['']];
  showTable('workers', document.getElementById('workers'), columns, workers.map((worker) => {
    const all = rates(`worker ${worker.worker}`, status.taken_at_ms, [worker.packets, worker.busy_ns]);
    const cells = all ? [short(now(all[0]), ''), `${(now(all[1]) / 1e7).toFixed(1)} %`, {series: all[1]}] : ['…', '…', ''];
    return [String(worker.worker), [String(worker.worker), ...cells]];
  }));
}

function showDrops(status) {
  const drops = status.has_stats ? status.stats.drops : [];
  const columns = [['reason'], ['meaning', 'wide'], ['packets', 'number'], ['packets/s', 'number']];
  showTable('drops', document.getElementById('drops'), columns, drops.map((drop) => {
    const all = rates(`drop ${drop.name}`, status.taken_at_ms, [drop.packets]);
    return [drop.name, [drop.name, drop.help, String(drop.packets), all ? short(now(all[0]), '') : '…']];
  }));
}

function showHead(status) {
  const head = status.well ? (status.settling ? 'First probes' : 'All is well') : 'NOT WELL';
  const parts = [head, status.serving,
    status.connected ? `data plane connected, generation ${status.generation}` : 'no data plane'];
  if (status.connected && status.generation !== status.wanted_generation) parts.push(`generation ${status.wanted_generation} on its way`);
  if (status.settling) parts.push('settling: the first probe round is not over');
  if (status.has_stats && !status.stats.balanced) parts.push('packet accounting does NOT add up');
  setText(document.getElementById('summary'), parts.join(' · '));
  showProblems(status.problems);
  setText(document.getElementById('version'),
    `guideway ${status.version}, configuration ${status.config_version}, up ${age(status.uptime_ms)}`);
}

function showProblems(problems) {
  document.getElementById('problems').replaceChildren(...problems.map((problem) => {
    const line = element('li', problem.text, problem.severity);
    line.title = problem.remedy;
    return line;
  }));
}

function forgetUnused() {
  for (const [key, history] of histories) {
    if (history.used < lastTime - 10 * INTERVAL_MS) histories.delete(key);
  }
}

async function update() {
  try {
    const answer = await fetch('status.json', {cache: 'no-store', signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw new Error(`status.json: ${answer.status}`);
    const status = await answer.json();
    lastTime = status.taken_at_ms;
    showHead(status);
    showTotals(status);
    showVips(status);
    showPools(status);
    showWorkers(status);
    showDrops(status);
    forgetUnused();
    document.body.dataset.updates = String(Number(document.body.dataset.updates || 0) + 1);
  } catch (error) {
    setText(document.getElementById('summary'), 'NOT WELL');
    showProblems([{
      text: `the control plane does not answer, what is below is old (${error.message})`, severity: 'critical',
      remedy: 'is guideway-controlplane running? The data plane forwards on with the tables it has',
    }]);
  }
  setTimeout(update, INTERVAL_MS);
}

update();
