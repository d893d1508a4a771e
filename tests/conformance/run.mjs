// Runs the public HTTP cache tests against Larder, and judges the results by allowed.json.
//
//     node run.mjs SUITE LARDER OUT
//
// SUITE is the unpacked package http-cache-tests, LARDER the binary, OUT a directory for what the
// tests say and for the programs' own words. scripts/conformance.sh calls this.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { suffix, today } from './today.mjs'

const [suite, larder, out] = process.argv.slice(2).map(name => path.resolve(name))
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname)
const load = name => import(pathToFileURL(path.join(suite, name)).href)
const fetch = createRequire(path.join(suite, 'cli.mjs'))('node-fetch')
const { default: suites } = await load('tests/index.mjs')
const { determineTestResult } = await load('lib/display.mjs')
const { makeCacheTest, testResults } = await load('client/test.mjs')
const client = await load('client/config.mjs')
const allowed = JSON.parse(fs.readFileSync(path.join(here, 'allowed.json')))

// The suite's own numbers: how many tests at the same time, and how often `retry` is obeyed.
const AT_ONCE = 100
const RETRIES = 3
// The least part of the optimal cases that the liberal configuration passes.
const OPTIMAL = 0.95

// The only required cases that may fail as the suite has them today, and only by default: each gives
// one client's cookie to the next.
const REFUSED = ['headers-store-Set-Cookie', 'headers-store-Set-Cookie2']

// The configurations, what of the suite each is asked, and its arguments.
const runs = [
  { name: 'default', suites, args: [] },
  { name: 'liberal', suites, args: ['--config', path.join(here, 'liberal.toml')] },
  {
    name: 'stale',
    suites: suites.filter(each => each.id === 'stale'),
    args: ['--config', path.join(here, 'stale.toml')]
  }
]

const children = []
process.on('exit', () => children.forEach(child => child.kill()))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

// Starts a program; resolves to the address that it says it listens on.
function start (name, command, args, env = {}) {
  const child = spawn(command, args, { cwd: out, env: { ...process.env, ...env } })
  children.push(child)
  const log = fs.createWriteStream(path.join(out, `${name}.log`))
  return new Promise((resolve, reject) => {
    let said = ''
    const hear = bytes => {
      log.write(bytes)
      said += said.length < 4096 ? bytes : ''
      const port = /listening on \S*:(\d+)/i.exec(said)
      if (port) resolve(`http://127.0.0.1:${port[1]}`)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('error', reject)
    child.on('exit', code => reject(new Error(`${name} ended with ${code}: ${said}`)))
  })
}

// Runs tests, some at a time; resolves to what came of each.
async function results (tests) {
  const of = {}
  for (let first = 0; first < tests.length; first += AT_ONCE) {
    await Promise.all(tests.slice(first, first + AT_ONCE).map(async test => {
      for (let tries = 0; tries <= RETRIES; tries++) {
        delete testResults[test.id]
        // A copy: the suite writes dates into the tests that it runs.
        await makeCacheTest(structuredClone(test))
        of[test.id] = testResults[test.id]
        if (of[test.id][0] !== 'Setup' || of[test.id][1] !== 'retry') break
      }
    }))
  }
  return of
}

// Runs a configuration; resolves to its cases, judged as the suite's lib/display.mjs does.
async function cases (run, origin) {
  const address = await start(run.name, larder,
    ['run', ...run.args, '--listen', '127.0.0.1:0', '--upstream', origin])
  client.setFetch(fetch)
  client.setBaseUrl(address)
  const tests = run.suites.flatMap(each => each.tests).filter(test => !test.browser_only)
  const now = tests.map(today).filter(test => test !== undefined)
  const of = await results([...tests, ...now])
  fs.writeFileSync(path.join(out, `${run.name}.json`), JSON.stringify(of, null, 2))
  return tests.map(test => {
    const changed = now.find(each => each.id === test.id + suffix)
    return {
      id: test.id,
      kind: test.kind ?? 'required',
      mark: determineTestResult(suites, test.id, of)[2],
      reason: of[test.id] === true ? 'what it depends on fails' : of[test.id].join(': '),
      allowed: allowed.find(each => each.runs.includes(run.name) && each.cases.includes(test.id)),
      today: changed && (changed.kind === 'check' ? 'asked' : of[changed.id] === true ? 'passed' : 'failed')
    }
  })
}

const passed = each => each.mark === '✅'
const share = list => `${list.filter(passed).length} of ${list.length}`

// Prints a configuration's results; returns what is wrong with them.
function report (run, list) {
  const of = kind => list.filter(each => each.kind === kind)
  const [required, optimal] = [of('required'), of('optimal')]
  const sinceThen = required.filter(each => !passed(each) && ['passed', 'asked'].includes(each.today))
  console.log(`\n== ${run.name}: ${share(required)} required, ${share(optimal)} optimal, ` +
    `${of('check').filter(each => each.mark === 'Y').length} of ${of('check').length} checks are "yes"`)
  console.log(`   required, as the suite's repository has them today: ` +
    `${required.filter(passed).length + sinceThen.filter(each => each.today === 'passed').length} ` +
    `of ${required.length - sinceThen.filter(each => each.today === 'asked').length}`)
  for (const kind of ['required', 'optimal']) {
    for (const each of of(kind).filter(each => !passed(each))) {
      const now = each.today ? `, today: ${each.today}` : ''
      console.log(`   ${each.mark} ${kind} ${each.id}: ${each.reason}${now}`)
    }
  }
  const wrong = []
  for (const each of [...required, ...optimal]) {
    if (!passed(each) && !each.allowed) wrong.push(`${each.id} fails, and allowed.json does not say why`)
    if (passed(each) && each.allowed) wrong.push(`${each.id} passes: take it out of allowed.json`)
    const refused = run.name === 'default' && REFUSED.includes(each.id)
    if (each.kind === 'required' && !passed(each) && !each.today && !refused) {
      wrong.push(`${each.id} is required, and may not fail`)
    }
    if (each.today === 'failed') wrong.push(`${each.id} fails as the suite has it today`)
  }
  // A case that contradicts itself can be passed by nobody.
  const sound = optimal.filter(each => !each.allowed?.contradicts)
  const enough = sound.filter(passed).length
  if (run.name === 'liberal' && enough < OPTIMAL * sound.length) {
    wrong.push(`${enough} of ${sound.length} sound optimal cases are less than ${OPTIMAL * 100} %`)
  }
  return wrong.map(what => `${run.name}: ${what}`)
}

fs.mkdirSync(out, { recursive: true })
const origin = await start('origin', process.execPath, [path.join(suite, 'server/server.mjs')], {
  npm_config_port: '0', npm_config_protocol: 'http', npm_config_pidfile: path.join(out, 'origin.pid')
})
const wrong = []
for (const run of runs) {
  const list = await cases(run, origin)
  wrong.push(...report(run, list))
}
console.log('\nWhy the failures are allowed:')
for (const { cases, why } of allowed) console.log(`   ${cases.join(', ')}\n      ${why}`)
const unknown = allowed.flatMap(each => each.cases)
  .filter(id => !suites.some(each => each.tests.some(test => test.id === id)))
wrong.push(...unknown.map(id => `${id} in allowed.json is no case of the suite`))
wrong.forEach(what => console.error(`WRONG  ${what}`))
process.exit(wrong.length > 0 ? 1 : 0)
