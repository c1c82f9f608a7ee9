// The same cases in Node's driver.
// usage: node client.js CASE IN_FLIGHT OPERATIONS URI
import { MongoClient } from 'mongodb';

const IDS = 1000, BATCH = 10000, GATHERED = 100;

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

class Measure {
  latencies = [];
  cpu = cpuSeconds();
  wall = performance.now();

  async of(promise) {
    const began = performance.now();
    const result = await promise;
    this.latencies.push(performance.now() - began);
    return result;
  }

  print(operations) {
    const wall = (performance.now() - this.wall) / 1e3, cpu = cpuSeconds() - this.cpu;
    const ordered = this.latencies.sort((a, b) => a - b);
    const percentile = part => ordered[Math.floor(part * (ordered.length - 1))];
    console.log(JSON.stringify({
      per_second: operations / wall, cpu_us: cpu * 1e6 / operations,
      p50_ms: percentile(0.5), p99_ms: percentile(0.99),
    }));
  }
}

async function findOnes(docs, count, measure) {
  for (let i = 0; i < count; i++)
    if (!await measure.of(docs.findOne({ _id: i % IDS }))) throw new Error('no document');
}

const inFlight = (docs, tasks, operations, measure) =>
  Promise.all(Array.from({ length: tasks }, () => findOnes(docs, Math.floor(operations / tasks), measure)));

const cases = {
  async find_one(database, tasks, operations) {
    const docs = database.collection('docs');
    await inFlight(docs, tasks, tasks * 2, new Measure());
    const measure = new Measure();
    await inFlight(docs, tasks, operations, measure);
    measure.print(Math.floor(operations / tasks) * tasks);
  },
  async gather(database, tasks, operations) {
    const docs = database.collection('docs');
    const gathered = () => Promise.all(Array.from({ length: GATHERED }, (_, i) => docs.findOne({ _id: i })));
    await gathered();
    const measure = new Measure(), rounds = Math.floor(operations / GATHERED);
    for (let i = 0; i < rounds; i++) await measure.of(gathered());
    measure.print(rounds * GATHERED);
  },
  async find(database, tasks, operations) {
    const findAll = async () => {
      let count = 0;
      for await (const _ of database.collection('docs').find()) count++;
      return count;
    };
    await findAll();
    const measure = new Measure();
    let count = 0;
    for (let i = 0; i < operations; i++) count += await measure.of(findAll());
    measure.print(count);
  },
  async insert_many(database, tasks, operations) {
    const inserted = database.collection('inserted_by_node');
    await inserted.drop().catch(() => {});
    const measure = new Measure();
    for (let i = 0; i < operations; i++) {
      const documents = Array.from({ length: BATCH }, (_, j) =>
        ({ _id: j, name: 'somebody', age: j % 90, city: 'Porto', score: j / 7 }));
      await measure.of(inserted.insertMany(documents));
      await inserted.drop();
    }
    measure.print(operations * BATCH);
  },
};

const [name, tasks, operations, uri] = process.argv.slice(2);
const client = new MongoClient(uri);
await cases[name](client.db('mouv_bench'), Number(tasks), Number(operations));
await client.close();
