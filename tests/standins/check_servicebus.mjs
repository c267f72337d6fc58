// The JavaScript SDK (its AMQP is rhea, another implementation than Python's) against the Service Bus stand-in:
//   node check_servicebus.mjs CONNECTION_STRING, with @azure/service-bus where node finds it.
// Run by `python -m tests.standins.sdist_servicebus --javascript`. It ends with 1 where something is not as it should be.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { ServiceBusClient } = require("@azure/service-bus");
const client = new ServiceBusClient(process.argv[2], { retryOptions: { maxRetries: 1, timeoutInMs: 10_000 } });
const bodies = (messages) => messages.map((message) => message.body);

async function take(receiver, count) {
  const found = [];
  while (found.length < count) {
    const more = await receiver.receiveMessages(count - found.length, { maxWaitTimeInMs: 5_000 });
    assert.notEqual(more.length, 0, `only ${found.length} of ${count} came`);
    found.push(...more);
  }
  return found;
}

const steps = {
  async "single, list and batch, in order, with their properties"() {
    const sender = client.createSender("intake");
    await sender.sendMessages({ body: "one", messageId: "m", subject: "s", applicationProperties: { n: 7, b: true } });
    // Each with an id: the SDK's own renewal of locks asks for one.
    await sender.sendMessages([
      { body: "two", messageId: "two" },
      { body: "three", messageId: "three" },
    ]);
    const batch = await sender.createMessageBatch();
    for (let number = 0; number < 50; number++) assert(batch.tryAddMessage({ body: number, messageId: number }));
    await sender.sendMessages(batch);
    const receiver = client.createReceiver("intake");
    const messages = await take(receiver, 53);
    assert.deepEqual(bodies(messages).slice(0, 3), ["one", "two", "three"]);
    assert.deepEqual(messages[0].applicationProperties, { n: 7, b: true });
    assert.equal(messages[52].body, 49);
    await Promise.all(messages.map((message) => receiver.completeMessage(message)));
    await receiver.close();
  },

  async "schedule and cancel"() {
    const sender = client.createSender("ticks");
    const [kept, cancelled] = await sender.scheduleMessages([1, 2].map((body) => ({ body, messageId: body })), new Date(Date.now() + 1_500));
    assert(kept < cancelled);
    await sender.cancelScheduledMessages(cancelled);
    const receiver = client.createReceiver("ticks");
    assert.deepEqual(bodies(await receiver.peekMessages(10)), [1]);
    const [message] = await take(receiver, 1);
    assert.equal(message.body, 1);
    await receiver.completeMessage(message);
    await receiver.close();
  },

  async "abandon, renew, dead-letter, and read dead letters"() {
    const sender = client.createSender("triage");
    await sender.sendMessages({ body: "bad", messageId: "x" });
    const receiver = client.createReceiver("triage");
    let [message] = await take(receiver, 1);
    await receiver.abandonMessage(message);
    [message] = await take(receiver, 1);
    assert.equal(message.deliveryCount, 1);
    assert((await receiver.renewMessageLock(message)) > new Date());
    await receiver.deadLetterMessage(message, { deadLetterReason: "why", deadLetterErrorDescription: "because" });
    const dead = client.createReceiver("triage", { subQueueType: "deadLetter" });
    const [letter] = await take(dead, 1);
    assert.deepEqual([letter.deadLetterReason, letter.deadLetterErrorDescription, letter.messageId], ["why", "because", "x"]);
    await dead.completeMessage(letter);
    await Promise.all([receiver.close(), dead.close()]);
  },

  async "duplicates are dropped"() {
    const sender = client.createSender("deliveries");
    for (let time = 0; time < 3; time++) await sender.sendMessages({ body: time, messageId: "same" });
    const receiver = client.createReceiver("deliveries");
    assert.deepEqual(bodies(await receiver.peekMessages(10)), [0]);
    await receiver.close();
  },

  async "sessions: by id, the next, locked for others, renewed"() {
    const sender = client.createSender("groups");
    await sender.sendMessages(["a", "b", "a"].map((sessionId, number) => ({ body: number, messageId: number, sessionId })));
    const a = await client.acceptSession("groups", "a");
    await assert.rejects(client.acceptSession("groups", "a"), { code: "SessionCannotBeLocked" });
    const next = await client.acceptNextSession("groups");
    assert.equal(next.sessionId, "b");
    assert((await a.renewSessionLock()) > new Date());
    const messages = await take(a, 2);
    assert.deepEqual(bodies(messages), [0, 2]);
    for (const message of messages) await a.completeMessage(message);
    await Promise.all([a.close(), next.close()]);
  },

  async "a queue that is not there, a message without its session"() {
    await assert.rejects(client.createSender("nowhere").sendMessages({ body: 1 }));
    await assert.rejects(client.createSender("groups").sendMessages({ body: 1 }), /SessionId was not set/);
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`failed  ${name}\n${error.stack}`);
  }
}
await client.close();
process.exit(failed ? 1 : 0);
