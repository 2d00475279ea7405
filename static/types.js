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
 */
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
/** @typedef {{silent_s: number, checked: string}} Stall */
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
/** @typedef {{type: "snapshot", task: Snapshot, at?: number}} SnapshotMessage `at` is the relay's clock; a polled one has none */
/** @typedef {{type: "resumed", task: string, seq: number, events: number, at?: number}} ResumedMessage */
/** @typedef {{type: "ping", at?: number}} PingMessage */
/** @typedef {{type: "listed", tag: string}} ListedMessage */
/** @typedef {{type: "error", task?: string, tag?: string, code: FaultCode, detail?: string}} ErrorMessage */
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
/** @typedef {{task: string}|{tag: string}} Aim what is followed */
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
/**
 * One open wire. After `close()` it says nothing more.
 *
 * @typedef {{send(text: string): void, close(): void}} Wire
 */
/** @typedef {{opened?: () => void, message: (text: string) => void, closed: (ending: Ending) => void}} WireHandlers */
/**
 * What a way tells its subscription: a message, a change of `state`, that this wire alone does not get through, that
 * the relay refuses (`code`), that it has nothing more to say.
 *
 * @typedef {object} WayHandlers
 * @property {(message: Message) => void} hear
 * @property {() => void} changed
 * @property {() => void} blocked
 * @property {(code: FaultCode, reason: string) => void} fault
 * @property {() => void} ended
 */
/**
 * One of the ways on which a subscription can be served. `state` says how its connection is: `live` where it stands.
 *
 * @typedef {object} Way
 * @property {ConnectionState} state
 * @property {string} reason
 * @property {() => void} stop hang up for good, and say nothing more
 * @property {() => void} resync drop the connection and come back at once
 * @property {(reason: string) => void} cut lose the connection as a network would
 * @property {(reason: string) => void} askAnew ask for the state again
 * @property {(token: string) => void} renew go on with a fresh token
 */

export {};
