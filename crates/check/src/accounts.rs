//! Which account an app may run as: one that nobody else has, and that no group gives more than the app needs.

use machine::users::{Account, by_name, group};
use model::{
    AppName,
    accounts::{EDGE, OPERATORS, STATION, of_app},
};

/// Why `account` cannot be `app`'s; `None`: it may. `others` are accounts in use with the words for whose they are.
pub fn refusal(app: &AppName, account: &Account, others: &[(String, Account)]) -> Option<String> {
    let name = &account.name;
    if account.uid == 0 {
        return Some(format!("{name} is root"));
    }
    if let Some((whose, _)) = others.iter().find(|(_, other)| other.uid == account.uid) {
        return Some(format!("{name} (uid {}) is the account of {whose}", account.uid));
    }
    // Also of an app that has not come yet.
    let own = of_app(app);
    let another = name.strip_prefix("mainstay-").filter(|_| *name != own)?;
    another.parse::<AppName>().is_ok().then(|| format!("{name} is the account of the app {another}"))
}

/// Why the groups of an app's account are too much; `None`: they are not.
pub fn surplus_group(account: &Account) -> Option<String> {
    let groups = [
        (OPERATORS, "whose members may deploy any app"),
        (EDGE, "whose members reach the sockets of all apps"),
    ];
    let has = |name: &str| group(name).ok().flatten().is_some_and(|gid| account.groups.contains(&gid));
    let (name, why) = groups.into_iter().find(|(name, _)| has(name))?;
    Some(format!("{} is in the group {name}, {why}", account.name))
}

/// Mainstay's own accounts and those that machine.toml names for other apps than `app`, as far as they are there.
pub fn others<'a>(
    app: &AppName,
    named: impl IntoIterator<Item = (&'a AppName, &'a str)>,
) -> Vec<(String, Account)> {
    let own = [("the edge", EDGE), ("the station", STATION)];
    let own = own.map(|(whose, name)| (whose.to_owned(), name.to_owned()));
    let apps = named.into_iter().filter(|(other, _)| *other != app);
    let apps = apps.map(|(other, account)| (format!("the app {other}"), account.to_owned()));
    let all = own.into_iter().chain(apps);
    all.filter_map(|(whose, name)| Some((whose, by_name(&name).ok().flatten()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, uid: u32) -> Account {
        Account { name: name.to_owned(), uid, gid: uid, groups: vec![uid], home: "/".into() }
    }

    #[test]
    fn an_account_of_somebody_else_is_refused_by_its_uid_and_by_its_name() {
        let app: AppName = "shop".parse().unwrap();
        let others =
            [("the edge".to_owned(), account(EDGE, 990)), ("the app blog".to_owned(), account("blog", 1001))];
        let refused = |name: &str, uid| refusal(&app, &account(name, uid), &others);
        assert_eq!(refused("shop", 1000), None);
        assert_eq!(refused("mainstay-shop", 1000), None);
        assert!(refused("toor", 0).is_some_and(|why| why.contains("root")));
        assert!(refused("alias", 990).is_some_and(|why| why.contains("the edge")));
        assert!(refused("alias", 1001).is_some_and(|why| why.contains("the app blog")));
        assert!(refused("mainstay-blog", 1002).is_some_and(|why| why.contains("the app blog")));
    }
}
