// What the two programs of ../README.md's `admin` share: verbs from stdin, one line for each.
'use strict'
const readline = require('readline')

let logged = ''
// The last line that a library has logged for a person to see.
exports.log = line => {
  logged = line
  console.error(line)
}

const oneLine = text => String(text).replace(/\s*\n\s*/g, ' ')

// The words that a person sees of an error: what has caused it stands behind it.
function words(e) {
  const causes = [...(e.errors || []), ...(e.cause && e.cause !== e ? [e.cause] : [])]
  return [e.message, ...causes.map(words)].filter((text, i, all) => text && all.indexOf(text) === i).join(': ')
}

exports.serve = async verbs => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, ...args] = line.split(' ')
    logged = ''
    let timer
    const late = new Promise(resolve => { timer = setTimeout(() => resolve(`W ${logged}`), +process.env.GIVE_UP_S * 1000) })
    const done = verbs[verb]
      ? Promise.resolve().then(() => verbs[verb](...args)).then(
        text => `ok ${text === undefined ? '' : text}`, e => `E ${e.type || e.code || e.name} ${words(e)}`)
      : 'none'
    console.log(oneLine(await Promise.race([done, late])))
    clearTimeout(timer)
  }
  process.exit(0)
}

exports.numbers = text => text.split(',').map(Number)
