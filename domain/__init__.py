"""The rules: what Tocsin decides about alerts, and nothing of how it is stored, sent or woken.

**Glossary**, in the field's words; each has its module.

- *Alert* (`alerts`): one report about one condition, *firing* or *resolved*. Its *labels* identify it (`labels`), their
  hash is its *fingerprint*; its *lease* is how long the sender vouches for it.
- *Door* (`door`): where alerts come in, get their times, and plain re-sends are absorbed.
- *Route*, *receiver* (`routing`, `configuration`): a node of the tree that alerts are matched against, and whom it
  names; an *integration* is one way to tell a receiver.
- *Group* (`groups`): the alerts that one receiver hears of together. Its *head* is what a fold must know, its *members*
  are its copies of alerts; a *tombstone* is a dropped member that can still be merged.
- *Event*: what happens to a group: *reported*, a *tick*, *woken*, *settled*, *responded*. To *fold* one in is to make a
  *decision* about it (`incidents.decide`), with a *reason* for everything that is done or left.
- *Flush* (`flushing`): a group looks at its members on its *grid* of group intervals (`scheduling`). What an
  integration must hear becomes a *delivery* (`notifications`), which is *pending* until it is *settled* (`settling`) or
  *superseded*.
- *Occurrence*, *incident*: from when an alert begins to fire until it is seen resolved; the same of a whole group.
- *Lifecycle* (`lifecycle`): what people do about an incident, *acknowledge*, *snooze*, *resolve* and so on; each is a
  *response*, an event of its group. What is not told because of one is *withheld* (`withholding`).
- *Triage* (`triage`): the first look at an incident. A *question* gathers what is known of it; the *finding* that
  answers says where it may come from, each *claim* with the *evidence* it rests on, and is acted on by nobody.
- *Situation* (`situations`): the rules in force and whatever else lies outside the group, gathered before the decision.
- *Muted*: not told because of an *inhibition* (a rule's), a *silence* (a person's, `silences`) or an interval.

**The dependency rule.** `function_app → domain ← adapters`: the domain imports the standard library and the pure
libraries that `ruff.toml` names, and needs everything else as a port, which stands beside the rules that need it. Time,
chance and ids come as parameters, so that every decision can be made again.
"""
