// @ts-check
/**
 * The shapes of the wire, for the type checker alone: nothing here runs, and no page needs to load it.
 * Field names are the relay's contract. Times are unix seconds, durations end in `_s`.
 */

/** @typedef {"succeeded"|"failed"|"canceled"|"lost"} Verdict */
/** @typedef {"submitting"|"held"|"queued"|"preparing"|"running"|"finishing"|Verdict} State */
/** @typedef {"live"|"reconciled"|"callback"|"polled"|"relay"} Source */
/** @typedef {{type: string, at: number, source: Source}} StageMark */
/** @typedef {{low_s: number, high_s: number, n: number|null, basis: "upstream"|"history"}} Eta */
/**
 * @typedef {object} Progress
 * @property {number|null} percent
 * @property {"measured"|"estimated"} basis
 * @property {number|null} step
 * @property {number|null} steps
 * @property {string|null} label
 * @property {number|null} speed
 * @property {string|null} unit
 * @property {Eta|null} eta
 * @property {Phase|null} [phase] what runs now; absent in old logs
 */
/** @typedef {{index: number, label: string|null, percent: number|null}} Phase `index` is from 0 */
/** @typedef {{stream: "stdout"|"stderr", text: string}} Log */
/** @typedef {{segment: number, kind: string, offset: number, text: string}} Append */
/** @typedef {{kind: string, text: string}} Segment */
/**
 * @typedef {object} Output
 * @property {string} content_type
 * @property {string|null} [name]
 * @property {number|null} [size] bytes
 * @property {string|null} [url]
 * @property {Record<string, unknown>|null} [content] of `content_type: "raw"`
 */
/** @typedef {{reason: string, position: number}} Hold */
/** @typedef {{by: string}} Cancel */
/**
 * `confirmed`: the platform's record says that the task runs. Absent in old logs, which means that nothing says so.
 *
 * @typedef {{silent_s: number, checked: string, confirmed?: boolean}} Stall
 */
/** @typedef {{amount: number, unit: "usd"|"credits"}} Cost */
/**
 * @typedef {object} Done
 * @property {Verdict} verdict
 * @property {number|null} exit_code
 * @property {Cost|null} cost
 * @property {number|null} elapsed_s
 * @property {boolean|null} billed
 * @property {boolean} inferred
 * @property {string[]} evidence
 * @property {string[]} [warnings]
 * @property {{code: number|string|null, message: string}|null} error
 */
/**
 * @typedef {object} Snapshot
 * @property {string} id
 * @property {string} provider
 * @property {string} model
 * @property {string[]} tags
 * @property {string|null} upstream_id
 * @property {State} state
 * @property {string} epoch
 * @property {number} seq
 * @property {number} created_at
 * @property {number} updated_at
 * @property {number|null} ended_at
 * @property {StageMark[]} stages in upstream order
 * @property {Progress|null} progress
 * @property {Log[]} log
 * @property {number} log_dropped UTF-16 units that were cut from the front
 * @property {Segment[]} segments
 * @property {Output[]} outputs
 * @property {Hold|null} hold
 * @property {Cancel|null} cancel
 * @property {Stall|null} stall
 * @property {Done|null} done
 */

/**
 * An entry of a task's log. `data` has another shape for each `type`; the reducer is where they are told apart.
 *
 * @typedef {object} RelayEvent
 * @property {string} type
 * @property {string} task
 * @property {number} seq
 * @property {State} state
 * @property {number} at
 * @property {Source} source
 * @property {any} data
 */
/** @typedef {{type: "snapshot", task: Snapshot, at?: number}} SnapshotMessage `at` is the relay's clock */
/** @typedef {{type: "resumed", task: string, seq: number, events: number, at?: number}} ResumedMessage */
/** @typedef {{type: "ping", at?: number}} PingMessage */
/** @typedef {{type: "listed", tag?: string, all?: true}} ListedMessage */
/** @typedef {{type: "error", task?: string, tag?: string, all?: true, code: FaultCode, detail?: string}} ErrorMessage */
/** @typedef {SnapshotMessage|ResumedMessage|PingMessage|ListedMessage|ErrorMessage|RelayEvent} Message */

/** @typedef {{minimum?: number, maximum?: number, integer?: boolean, max_length?: number, max_items?: number}} Limits */
/**
 * @typedef {object} ModelInput
 * @property {string} name
 * @property {string} label
 * @property {string} help
 * @property {string} type as the platform calls the control: text, textarea, select, number, combinefileinput, …
 * @property {boolean} required
 * @property {string|number|null} default what is sent when nothing is given
 * @property {{value: string, label: string}[]} options
 * @property {string|null} part the name of the parts that are files for it; null when it takes none
 * @property {readonly string[]} accept the content types that these may have; empty: any
 * @property {Limits} limits
 */
/**
 * @typedef {object} Model
 * @property {string} model owner/name
 * @property {string} provider
 * @property {boolean} available
 * @property {string} title
 * @property {string} description
 * @property {ModelInput[]} inputs
 * @property {Record<string, unknown>[]} inspires sample inputs
 */

/**
 * How a viewer stands to its relay: `connecting` until the state is here or has been resumed, `catching-up` while events
 * that were missed still come, `live`, or `polling` where nothing can be streamed; `offline` while a lost connection is
 * being tried again; `ended` and `refused` are for good.
 *
 * @typedef {"connecting"|"catching-up"|"live"|"polling"|"offline"|"ended"|"refused"} ConnectionState
 */
/** @typedef {"ws"|"sse"|"poll"} WireName the ways to a relay, the best first */
/** @typedef {{task: string}|{tag: string}|{all: true}} Aim what is followed: a task, all tasks of a tag, all tasks of the relay */
/**
 * Brings a fresh token: called when there is none, before one expires, and when the relay takes one for expired.
 * Nothing (null, or an empty text) means that there is none to be had, for good; an exception, that it is to be asked again.
 *
 * @typedef {(aim: Aim) => string|null|undefined|Promise<string|null|undefined>} GetToken
 */
/** @typedef {"not_found"|"forbidden"|"unauthorized"|"token_expired"|"protocol"} FaultCode */
/**
 * How a wire came to its end: worth coming back (`reached` says whether the relay itself was heard on it, `retry_s`
 * what it asks to wait at least, `expired` that it wants a fresh token), over for good, or turned away.
 *
 * @typedef {{kind: "again", reason: string, reached: boolean, retry_s?: number, expired?: boolean}} Again
 * @typedef {{kind: "refused", reason: string, code: FaultCode}} Refused
 * @typedef {Again | {kind: "ended"} | Refused} Ending
 */
/** @typedef {{opened?: () => void, message: (text: string) => void, closed: (ending: Ending) => void}} LinkHandlers of a network connection */
/** @typedef {{key: string, aim: Aim, token: string, cursor: string|null}} Entry one subscription, as a wire asks for it */
/**
 * What every wire is made of. `entries` are the subscriptions as they stand now. `hear` takes each message, and with an
 * error the token that it is about. `closed` is called once, at the end. A wire asks for nothing before `ready`.
 *
 * @typedef {object} WireParts
 * @property {URL} base
 * @property {() => Entry[]} entries
 * @property {() => Promise<unknown>} ready
 * @property {(message: Message, token?: string) => void} hear
 * @property {(ending: Ending) => void} closed
 */
/**
 * One open wire to a relay: a WebSocket, an event stream, or polling. They differ in nothing else.
 *
 * @typedef {object} Wire
 * @property {(key: string) => void} ask a subscription is new, or is to begin anew from its cursor
 * @property {(key: string) => void} drop a subscription is gone
 * @property {(key: string) => void} renew a subscription has another token
 * @property {() => boolean} probe ask for a sign of life; false where this wire cannot
 * @property {() => void} close hang up, and say nothing more
 */
/** @typedef {(parts: WireParts) => Wire} OpenWire */

export {};
