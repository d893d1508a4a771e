// Cases that the suite's repository has changed since 0.4.5, each as it stands there now
// (github.com/http-tests/cache-tests, tests/age-parse.mjs at bb49f1de4fa6, tests/stale.mjs,
// tests/update304.mjs and tests/header-list.mjs). 0.4.5 is older than RFC 9111.

// RFC 9111 §5.1 as published: the first member of Age counts, and what is no number is ignored.
// 0.4.5 wanted such responses to be stale (httpwg/http-core issues 471 and 778).
const cached = test => { test.requests.at(-1).expected_type = 'cached' }

// No answer of an origin that breaks off can be told by its number, as 0.4.5 wanted: what counts is
// that no stored one comes. (0.4.5 cannot leave the status open; 502 is RFC 9110 §15.6.3.)
const notStored = test => {
  const last = test.requests.at(-1)
  delete last.expected_type
  Object.assign(last, {
    expected_status: 502,
    check_body: false,
    expected_response_headers_missing: ['server-request-count']
  })
}

// It is asked, but neither answer is wrong.
const asked = test => { test.kind = 'check' }

const changes = {
  'age-parse-nonnumeric': cached,
  'age-parse-negative': cached,
  'age-parse-float': cached,
  'age-parse-prefix-twoline': cached,
  'age-parse-dup-0': cached,
  'age-parse-dup-0-twoline': cached,
  'age-parse-dup-old': cached,
  'age-parse-parameter': asked,
  'age-parse-numeric-parameter': asked,
  'stale-close-must-revalidate': notStored,
  'stale-close-proxy-revalidate': notStored,
  'stale-close-no-cache': notStored,
  'stale-close-s-maxage=2': notStored,
  '304-etag-update-response-ETag': asked,
  '304-etag-update-response-Set-Cookie': asked,
  '304-etag-update-response-Set-Cookie2': asked
}

export const suffix = '--today'

// The case as it is today, under a name of its own; undefined where it is as it was.
export function today (test) {
  const change = changes[test.id]
  if (change === undefined) return
  const changed = structuredClone(test)
  change(changed)
  changed.id += suffix
  return changed
}
