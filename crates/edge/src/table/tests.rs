use super::*;

/// A stored format: what a keeper of this version writes must be read by an edge of the next.
const STORED: &str = r#"{
    "format": 1, "epoch": 7,
    "sites": [{
        "site": { "app": "a", "env": "production" }, "generation": 1, "release": 1,
        "pools": [{
            "id": "a/production/web@1", "service": "web", "release": 1,
            "state": "live", "balance": "least_connections",
            "upstreams": [
                { "name": "web.1.1", "process": "01ARZ3NDEKTSV4RRFFQ69G5FAW", "address": { "tcp": "127.0.0.1:4107" } },
                { "name": "web.1.2", "process": "01ARZ3NDEKTSV4RRFFQ69G5FAX", "address": { "unix": "/run/s/http" } }
            ],
            "readiness": {
                "request": { "http": "/ready", "host": null, "period": "1s", "timeout": "5s" },
                "success_threshold": 3, "failure_threshold": 3
            },
            "drain": {
                "hint": "none", "http_timeout": "30s", "stream_timeout": "15m", "websocket_timeout": "5m",
                "websocket_close_code": 1012, "close_jitter": "30s"
            }
        }],
        "routes": [{
            "pool": "a/production/web@1",
            "route": {
                "hosts": ["a.example"], "path_prefix": "/", "service": "web", "tls": "optional",
                "balance": "least_connections", "response_header_timeout": "2m", "idle_timeout": "5m",
                "max_request_body": "50MiB"
            }
        }]
    }]
}"#;

fn stored() -> Table {
    serde_json::from_str(STORED).unwrap()
}

#[test]
fn the_stored_form_is_read_and_written_back() {
    let table = stored();
    table.check().unwrap();
    let again: Table = serde_json::from_slice(&serde_json::to_vec(&table).unwrap()).unwrap();
    assert_eq!(again, table);
    assert_eq!(table.sites[0].pools[0].id, PoolId::new(&table.sites[0].site, &"web".parse().unwrap(), 1));
}

#[test]
fn an_unknown_key_is_refused() {
    let text = STORED.replace("\"epoch\": 7", "\"epoch\": 7, \"later\": true");
    assert!(serde_json::from_str::<Table>(&text).is_err());
}

#[test]
fn two_sites_cannot_claim_the_same_place() {
    let mut table = stored();
    let mut other = table.sites[0].clone();
    other.site.env = "staging".parse().unwrap();
    for pool in &mut other.pools {
        pool.id = PoolId("a/staging/web.1".to_owned());
    }
    other.routes[0].pool = PoolId("a/staging/web.1".to_owned());
    table.sites.push(other);
    assert!(matches!(table.check(), Err(TableError::Claimed { .. })));
    table.sites[1].routes[0].route.path_prefix = "/other".to_owned();
    table.check().unwrap();
}

#[test]
fn routes_lead_to_live_pools_of_their_site() {
    let broken = |change: fn(&mut Table)| {
        let mut table = stored();
        change(&mut table);
        table.check().unwrap_err()
    };
    let not_live = broken(|table| table.sites[0].pools[0].state = PoolState::Draining);
    assert!(matches!(not_live, TableError::PoolNotLive { .. }));
    let missing = broken(|table| table.sites[0].routes[0].pool = PoolId("x".to_owned()));
    assert!(matches!(missing, TableError::NoSuchPool { .. }));
    let twice = broken(|table| {
        let pool = table.sites[0].pools[0].clone();
        table.sites[0].pools.push(pool);
    });
    assert!(matches!(twice, TableError::PoolTwice(_)));
    let prefix = broken(|table| table.sites[0].routes[0].route.path_prefix = "api".to_owned());
    assert!(matches!(prefix, TableError::BadPrefix(_)));
    assert!(matches!(broken(|table| table.format = 2), TableError::Format { found: 2 }));
}
