//! The table of the interface for programs: it builds the router and the description, so neither can lack a route.

use axum::routing::{MethodRouter, delete, get, post};

use super::{App, api, reports};

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Anybody,
    SignedIn,
}

/// One method of one path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// Sentence for the description.
    pub(super) summary: &'static str,
    pub(super) access: Access,
    /// Name of the body's schema in `openapi`.
    pub(super) body: Option<&'static str>,
    /// Success, and what it carries: a schema's name or a media type.
    pub(super) success: (u16, &'static str),
    /// Further statuses that it may answer.
    pub(super) errors: &'static [u16],
}

pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) handler: fn() -> MethodRouter<App>,
    pub(super) operations: &'static [Operation],
}

const fn read(summary: &'static str, success: &'static str, errors: &'static [u16]) -> Operation {
    Operation {
        method: "get",
        summary,
        access: Access::SignedIn,
        body: None,
        success: (200, success),
        errors,
    }
}

const fn change(
    summary: &'static str,
    body: Option<&'static str>,
    success: (u16, &'static str),
    errors: &'static [u16],
) -> Operation {
    Operation { method: "post", summary, access: Access::SignedIn, body, success, errors }
}

const fn open(summary: &'static str, success: &'static str, errors: &'static [u16]) -> Operation {
    Operation { method: "get", summary, access: Access::Anybody, body: None, success: (200, success), errors }
}

pub(super) static TABLE: &[Route] = &[
    Route {
        path: "/api/login",
        handler: || post(api::account::login),
        operations: &[Operation {
            access: Access::Anybody,
            ..change("Open a session", Some("Login"), (200, "Session"), &[401])
        }],
    },
    Route {
        path: "/api/logout",
        handler: || post(api::account::logout),
        operations: &[change("End the session", None, (204, ""), &[])],
    },
    Route {
        path: "/api/me",
        handler: || get(api::account::me),
        operations: &[read("Who is signed in", "Me", &[])],
    },
    Route {
        path: "/api/password",
        handler: || post(api::sessions::password),
        operations: &[change(
            "Change the password; all other sessions end",
            Some("NewPassword"),
            (204, ""),
            &[403],
        )],
    },
    Route {
        path: "/api/privacy",
        handler: || get(api::data::privacy),
        operations: &[read(
            "Who gets text, how long it is kept, when this account is erased",
            "Privacy",
            &[],
        )],
    },
    Route {
        path: "/api/export",
        handler: || get(api::data::export),
        operations: &[read("Everything of the account as an archive", "application/x-tar", &[])],
    },
    Route {
        path: "/api/import",
        handler: || post(api::data::import),
        operations: &[change("Read an export, tasks or a journal", None, (200, "Imported"), &[])],
    },
    Route {
        path: "/api/erase",
        handler: || post(api::erase::ask).delete(api::erase::cancel),
        operations: &[
            change("Erase the account after seven days", Some("Erase"), (200, "Erasing"), &[]),
            Operation { method: "delete", ..change("Keep the account", None, (200, "Erasing"), &[404]) },
        ],
    },
    Route {
        path: "/api/sessions",
        handler: || get(api::sessions::list),
        operations: &[read("Where one is signed in", "Sessions", &[])],
    },
    Route {
        path: "/api/sessions/end-others",
        handler: || post(api::sessions::end_others),
        operations: &[change("End all sessions but this one", None, (200, "Ended"), &[])],
    },
    Route {
        path: "/api/sessions/{id}",
        handler: || delete(api::sessions::end),
        operations: &[Operation {
            method: "delete",
            ..change("End a session", None, (200, "Ended"), &[404])
        }],
    },
    Route {
        path: "/api/tasks",
        handler: || get(api::tasks::list).post(api::tasks::add),
        operations: &[
            read("Tasks", "Tasks", &[400]),
            change("Add a task", Some("NewTask"), (201, "TaskDone"), &[]),
        ],
    },
    Route {
        path: "/api/tasks/{id}",
        handler: || get(api::tasks::get).patch(api::tasks::edit).delete(api::tasks::remove),
        operations: &[
            read("One task", "Task", &[404]),
            Operation {
                method: "patch",
                ..change("Change a task", Some("TaskPatch"), (200, "TaskDone"), &[404, 412])
            },
            Operation { method: "delete", ..change("Delete a task", None, (200, "Undoable"), &[404]) },
        ],
    },
    Route {
        path: "/api/tasks/{id}/done",
        handler: || post(api::tasks::done),
        operations: &[change("Mark as done", None, (200, "TaskDone"), &[404])],
    },
    Route {
        path: "/api/tasks/{id}/reopen",
        handler: || post(api::tasks::reopen),
        operations: &[change("Open again", None, (200, "TaskDone"), &[404])],
    },
    Route {
        path: "/api/tasks/{id}/snooze",
        handler: || post(api::tasks::snooze),
        operations: &[change("Put off", Some("Until"), (200, "TaskDone"), &[404])],
    },
    Route {
        path: "/api/reminders",
        handler: || get(api::days::unseen),
        operations: &[read("Reminders that nobody has seen", "Reminders", &[])],
    },
    Route {
        path: "/api/reminders/{id}/shown",
        handler: || post(api::days::shown),
        operations: &[change("Claim to show a reminder", None, (200, "Claim"), &[404])],
    },
    Route {
        path: "/api/reminders/{id}/seen",
        handler: || post(api::days::seen),
        operations: &[change("A reminder was seen", None, (200, "Nothing"), &[404])],
    },
    Route {
        path: "/api/summary",
        handler: || get(api::days::summary).post(api::days::set_summary),
        operations: &[
            read("The morning summary", "Morning", &[]),
            change("Set its hour", Some("NewMorning"), (200, "NewMorning"), &[]),
        ],
    },
    Route {
        path: "/api/journal",
        handler: || get(api::journal::list).post(api::journal::add),
        operations: &[
            read("Journal entries, newest first", "Entries", &[400]),
            change("Write an entry", Some("NewEntry"), (201, "EntryDone"), &[]),
        ],
    },
    Route {
        path: "/api/journal/{id}",
        handler: || get(api::journal::get).patch(api::journal::edit).delete(api::journal::remove),
        operations: &[
            read("One entry", "Entry", &[404]),
            Operation {
                method: "patch",
                ..change("Change an entry", Some("EntryPatch"), (200, "EntryDone"), &[404, 412])
            },
            Operation { method: "delete", ..change("Delete an entry", None, (200, "Undoable"), &[404]) },
        ],
    },
    Route {
        path: "/api/journal/{id}/attachments",
        handler: || get(api::attachments::list).post(api::attachments::create).options(api::tus::abilities),
        operations: &[
            Operation { method: "options", success: (204, ""), ..open("What of tus 1.0 is spoken", "", &[]) },
            read("Files of an entry", "Attachments", &[404]),
            change("Announce a file (tus 1.0, creation)", None, (201, "Upload"), &[404, 412]),
        ],
    },
    Route {
        path: "/api/attachments/{id}",
        handler: || {
            get(api::attachments::content)
                .head(api::attachments::offset)
                .patch(api::attachments::append)
                .delete(api::attachments::remove)
        },
        operations: &[
            read("A file", "application/octet-stream", &[304, 404]),
            Operation {
                method: "head",
                ..read("How far an upload has come (tus 1.0)", "", &[400, 404, 412])
            },
            Operation {
                method: "patch",
                ..change("The next piece of an upload (tus 1.0)", None, (204, ""), &[404, 412, 423])
            },
            Operation {
                method: "delete",
                ..change("Remove a file, or give its upload up", None, (200, "Removed"), &[404])
            },
        ],
    },
    Route {
        path: "/api/conversations",
        handler: || get(api::chat::list).post(api::chat::create),
        operations: &[
            read("Conversations", "Conversations", &[400]),
            change("Begin a conversation", Some("NewConversation"), (201, "Conversation"), &[]),
        ],
    },
    Route {
        path: "/api/conversations/{id}",
        handler: || get(api::chat::get).delete(api::chat::remove),
        operations: &[
            read("A conversation with its messages, the last ones first", "WholeConversation", &[404]),
            Operation {
                method: "delete",
                ..change("Delete a conversation", None, (200, "Understood"), &[404])
            },
        ],
    },
    Route {
        path: "/api/conversations/{id}/rename",
        handler: || post(api::chat::rename),
        operations: &[change("Rename a conversation", Some("Title"), (200, "Understood"), &[404])],
    },
    Route {
        path: "/api/conversations/{id}/messages",
        handler: || post(api::chat::say),
        operations: &[change(
            "Say something; the answer is streamed",
            Some("Words"),
            (202, "Answering"),
            &[404],
        )],
    },
    Route {
        path: "/api/messages/{id}",
        handler: || get(api::chat::message),
        operations: &[read("A message", "Message", &[404])],
    },
    Route {
        path: "/api/messages/{id}/stream",
        handler: || get(api::stream::stream),
        operations: &[read("The answer as it is written", "text/event-stream", &[204, 400, 404])],
    },
    Route {
        path: "/api/messages/{id}/stop",
        handler: || post(api::chat::stop),
        operations: &[change("Stop an answer", None, (202, "Nothing"), &[404])],
    },
    Route {
        path: "/api/messages/{id}/retry",
        handler: || post(api::branch::retry),
        operations: &[change("Another answer to the same question", None, (202, "Answering"), &[404])],
    },
    Route {
        path: "/api/messages/{id}/edit",
        handler: || post(api::branch::edit),
        operations: &[change(
            "The same question in other words, as a branch",
            Some("Text"),
            (202, "Answering"),
            &[404],
        )],
    },
    Route {
        path: "/api/messages/{id}/continue",
        handler: || post(api::branch::go_on),
        operations: &[change("The rest of an answer that broke off", None, (202, "Answering"), &[404])],
    },
    Route {
        path: "/api/messages/{id}/choose",
        handler: || post(api::branch::choose),
        operations: &[change("Read the branch of this message", None, (200, "Nothing"), &[404])],
    },
    Route {
        path: "/api/proposals/{id}/accept",
        handler: || post(api::branch::accept),
        operations: &[change("Do what a model proposes", None, (200, "Understood"), &[404])],
    },
    Route {
        path: "/api/proposals/{id}/decline",
        handler: || post(api::branch::decline),
        operations: &[change("Do not do what a model proposes", None, (200, "Nothing"), &[404])],
    },
    Route {
        path: "/api/spending",
        handler: || get(api::branch::spent),
        operations: &[read("What models took today, and what they may take", "Spending", &[])],
    },
    Route {
        path: "/api/say",
        handler: || post(api::say::say),
        operations: &[change("Say a sentence to the built-in brain", Some("Sentence"), (200, "Said"), &[])],
    },
    Route {
        path: "/api/read",
        handler: || get(api::say::read),
        operations: &[read("How a sentence would be read", "Read", &[])],
    },
    Route {
        path: "/api/search",
        handler: || get(api::search::find),
        operations: &[read("What has these words, the best first", "Hits", &[])],
    },
    Route {
        path: "/api/undo/{id}",
        handler: || post(api::say::undo),
        operations: &[change("Undo a command", None, (200, "Undone"), &[404, 409])],
    },
    Route {
        path: "/api/history",
        handler: || get(api::say::history),
        operations: &[read("What was done, the newest first", "History", &[])],
    },
    Route {
        path: "/api/ws",
        handler: || get(api::socket::socket),
        operations: &[Operation {
            success: (101, ""),
            ..read("Live changes over a WebSocket", "", &[400, 403, 426])
        }],
    },
    Route {
        path: "/api/version",
        handler: || get(api::meta::version),
        operations: &[open("Which release this is", "Version", &[])],
    },
    Route {
        path: "/api/health",
        handler: || get(api::meta::health),
        operations: &[open("Health", "Health", &[503])],
    },
    Route {
        path: "/metrics",
        handler: || get(api::meta::metrics),
        operations: &[open("Metrics for a scraper", "text/plain", &[404])],
    },
    Route {
        path: "/api/metrics",
        handler: || get(api::meta::metrics),
        operations: &[open("The same, where other apps have it", "text/plain", &[404])],
    },
    Route {
        path: reports::PATH,
        handler: || post(reports::take),
        operations: &[Operation {
            access: Access::Anybody,
            ..change("What browsers report of the policy of pages", None, (204, ""), &[429])
        }],
    },
    Route {
        path: "/openapi.json",
        handler: || get(api::meta::description),
        operations: &[open("This description", "application/json", &[])],
    },
];
