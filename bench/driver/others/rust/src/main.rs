//! The same cases in Rust's driver.
//! usage: bench_rust CASE IN_FLIGHT OPERATIONS URI

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::future::{join_all, try_join_all};
use mongodb::bson::{doc, Document, RawDocumentBuf};
use mongodb::{Client, Collection, Database};

const IDS: i32 = 1000;
const BATCH: i32 = 10000;
const GATHERED: i32 = 100;

type Docs = Collection<RawDocumentBuf>;

fn cpu_seconds() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

struct Measure {
    latencies: Mutex<Vec<f64>>,
    cpu: f64,
    wall: Instant,
}

impl Measure {
    fn new() -> Arc<Measure> {
        Arc::new(Measure { latencies: Mutex::new(Vec::new()), cpu: cpu_seconds(), wall: Instant::now() })
    }

    async fn of<T>(&self, future: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let result = future.await;
        self.latencies.lock().unwrap().push(began.elapsed().as_secs_f64());
        result
    }

    fn print(&self, operations: i32) {
        let (wall, cpu) = (self.wall.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        let mut ordered = self.latencies.lock().unwrap();
        ordered.sort_by(f64::total_cmp);
        let percentile = |part: f64| ordered[(part * (ordered.len() - 1) as f64) as usize] * 1e3;
        println!(
            "{{\"per_second\": {}, \"cpu_us\": {}, \"p50_ms\": {}, \"p99_ms\": {}}}",
            operations as f64 / wall, cpu * 1e6 / operations as f64, percentile(0.5), percentile(0.99)
        );
    }
}

async fn find_one(docs: &Docs, id: i32) -> mongodb::error::Result<()> {
    docs.find_one(doc! {"_id": id % IDS}).await?.expect("no document");
    Ok(())
}

async fn in_flight(docs: &Docs, tasks: i32, operations: i32, measure: Arc<Measure>) {
    join_all((0..tasks).map(|_| {
        let (docs, measure) = (docs.clone(), measure.clone());
        tokio::spawn(async move {
            for i in 0..operations / tasks {
                measure.of(find_one(&docs, i)).await.unwrap();
            }
        })
    }))
    .await
    .into_iter()
    .for_each(|task| task.unwrap());
}

async fn run_find_one(database: Database, tasks: i32, operations: i32) {
    let docs = database.collection("docs");
    in_flight(&docs, tasks, tasks * 2, Measure::new()).await;
    let measure = Measure::new();
    in_flight(&docs, tasks, operations, measure.clone()).await;
    measure.print(operations / tasks * tasks);
}

async fn run_gather(database: Database, operations: i32) {
    let docs: Docs = database.collection("docs");
    let gathered = || try_join_all((0..GATHERED).map(|i| find_one(&docs, i)));
    gathered().await.unwrap();
    let (measure, rounds) = (Measure::new(), operations / GATHERED);
    for _ in 0..rounds {
        measure.of(gathered()).await.unwrap();
    }
    measure.print(rounds * GATHERED);
}

async fn find_all(docs: &Docs) -> i32 {
    let mut cursor = docs.find(doc! {}).await.unwrap();
    let mut count = 0;
    while cursor.advance().await.unwrap() {
        count += 1;
    }
    count
}

async fn run_find(database: Database, operations: i32) {
    let docs = database.collection("docs");
    find_all(&docs).await;
    let measure = Measure::new();
    let mut count = 0;
    for _ in 0..operations {
        count += measure.of(find_all(&docs)).await;
    }
    measure.print(count);
}

async fn run_insert_many(database: Database, operations: i32) {
    let inserted: Collection<Document> = database.collection("inserted_by_rust");
    let documents: Vec<_> = (0..BATCH)
        .map(|i| doc! {"_id": i, "name": "somebody", "age": i % 90, "city": "Porto", "score": f64::from(i) / 7.0})
        .collect();
    inserted.drop().await.unwrap();
    let measure = Measure::new();
    for _ in 0..operations {
        measure.of(async { inserted.insert_many(&documents).await.unwrap() }).await;
        inserted.drop().await.unwrap();
    }
    measure.print(operations * BATCH);
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (tasks, operations) = (arguments[2].parse().unwrap(), arguments[3].parse().unwrap());
    let database = Client::with_uri_str(&arguments[4]).await.unwrap().database("mouv_bench");
    match arguments[1].as_str() {
        "find_one" => run_find_one(database, tasks, operations).await,
        "gather" => run_gather(database, operations).await,
        "find" => run_find(database, operations).await,
        "insert_many" => run_insert_many(database, operations).await,
        name => panic!("no such case: {name}"),
    }
}
