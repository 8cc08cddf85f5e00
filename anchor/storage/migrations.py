"""The schema, as an ordered list of migrations: one text for every engine.

Each engine replaces ``{key}`` by its 64-bit integer primary key and ``{bytes}`` by its type for byte strings, and
records the names that it applied. A name, once released, never changes; a home with a name that is not listed
here was made by a newer Anchorline.
"""

Migrations = tuple[tuple[str, tuple[str, ...]], ...]
EXPANDING = "expand-"
"""How the name of a migration begins that only adds: the version before it goes on beside it (ADR 61). It makes tables,
columns that may be NULL or have a default, and indexes that forbid nothing. What is to go is left out by the version
after, and dropped by a migration of another name when no version uses it any more."""
HOUSE_MOVE = "house_move"
"""The table that says whether a database is on its way elsewhere: the only one that is never copied."""

MIGRATIONS: Migrations = (
    (
        "0001-spine",
        (
            # Leaf 0 of the directory, fixed when the home is made, before there is a directory.
            "CREATE TABLE identity (identity_no {key}, leaf_0 {bytes} NOT NULL)",
            # A log of leaf hashes: tree 0 is the directory, every other one a chain. ``built_size`` leaves have
            # their interior tiles stored. Of a chain, ``sealed_size`` leaves are under its newest head, whose
            # directory index and leaf hash stand here so that a seal reads one row for each chain.
            """CREATE TABLE tree (
                tree_no {key},
                chain_id {bytes} NOT NULL UNIQUE,
                size BIGINT NOT NULL,
                built_size BIGINT NOT NULL,
                sealed_size BIGINT NOT NULL,
                head_index BIGINT,
                head_hash {bytes}
            )""",
            # C2SP tiles of height 8. Level 0 (leaf hashes) grows with every append, a level above with each full tile.
            """CREATE TABLE tile (
                tree_no BIGINT NOT NULL,
                level BIGINT NOT NULL,
                tile_no BIGINT NOT NULL,
                hashes {bytes} NOT NULL,
                PRIMARY KEY (tree_no, level, tile_no)
            )""",
            """CREATE TABLE chain (
                chain_no BIGINT PRIMARY KEY REFERENCES tree (tree_no),
                name TEXT UNIQUE,
                opened_at_ms BIGINT NOT NULL
            )""",
            # Entries in insertion order, up to 256 in a row (chains/bundle.py), and no further index: a row for each,
            # and an index over random keys, would each halve the rate of writing. ``kept`` is what is kept beside them.
            """CREATE TABLE bundle (
                first_seq {key},
                entry_count BIGINT NOT NULL,
                entries {bytes} NOT NULL,
                kept {bytes} NOT NULL
            )""",
            # Where rows belong: seqs first_seq to first_seq+entry_count-1 are the leaves first_index and following
            # of one chain, from one submitter, all with external ids (with_ids 1) or none. One row for each run.
            """CREATE TABLE extent (
                first_seq {key},
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                first_index BIGINT NOT NULL,
                entry_count BIGINT NOT NULL,
                submitter {bytes} NOT NULL,
                with_ids BIGINT NOT NULL
            )""",
            "CREATE UNIQUE INDEX extent_of_chain ON extent (chain_no, first_index)",
            # One row for each group commit: the signed promise over entries first_seq to first_seq+count-1.
            """CREATE TABLE group_commit (
                first_seq {key},
                entry_count BIGINT NOT NULL,
                received_at_ms BIGINT NOT NULL,
                note {bytes} NOT NULL,
                signature {bytes} NOT NULL
            )""",
            # Sorted runs of (8-byte key, 8-byte seq) pairs, 16 bytes each, cut into pages.
            """CREATE TABLE lookup_run (
                run_no {key},
                kind BIGINT NOT NULL,
                level BIGINT NOT NULL,
                first_seq BIGINT NOT NULL,
                end_seq BIGINT NOT NULL
            )""",
            """CREATE TABLE lookup_page (
                run_no BIGINT NOT NULL REFERENCES lookup_run (run_no),
                first_pair {bytes} NOT NULL,
                pairs {bytes} NOT NULL,
                PRIMARY KEY (run_no, first_pair)
            )""",
            """CREATE TABLE directory_leaf (
                leaf_index {key},
                leaf {bytes} NOT NULL
            )""",
            # Directory leaves that say something about the log itself: key, thread and epoch leaves.
            "CREATE TABLE log_mark (leaf_index {key} REFERENCES directory_leaf (leaf_index))",
            """CREATE TABLE head (
                directory_index {key},
                tree_no BIGINT NOT NULL REFERENCES tree (tree_no),
                tree_size BIGINT NOT NULL
            )""",
            "CREATE UNIQUE INDEX head_of_chain ON head (tree_no, directory_index)",
            # A checkpoint is stored before it is signed: note is NULL between the two.
            """CREATE TABLE checkpoint (
                size {key},
                seal_number BIGINT NOT NULL UNIQUE,
                sealed_at_ms BIGINT NOT NULL,
                root {bytes} NOT NULL,
                note TEXT
            )""",
            # The journal. An attempt holds the signed bytes before anybody else sees them; what became of it is
            # in its events, which are only ever added.
            """CREATE TABLE attempt (
                attempt_no {key},
                made_at_ms BIGINT NOT NULL,
                checkpoint_size BIGINT NOT NULL REFERENCES checkpoint (size),
                txid {bytes} NOT NULL UNIQUE,
                spends {bytes} NOT NULL,
                raw {bytes} NOT NULL,
                fee_sat BIGINT NOT NULL
            )""",
            """CREATE TABLE attempt_event (
                event_no {key},
                attempt_no BIGINT NOT NULL REFERENCES attempt (attempt_no),
                at_ms BIGINT NOT NULL,
                event TEXT NOT NULL,
                block_height BIGINT,
                block_hash {bytes}
            )""",
            "CREATE INDEX attempt_event_of ON attempt_event (attempt_no, event_no)",
            # The proof of an attempt in one block, as a receipt carries it (JSON of the anchor).
            """CREATE TABLE anchor_proof (
                attempt_no BIGINT NOT NULL REFERENCES attempt (attempt_no),
                block_hash {bytes} NOT NULL,
                anchor TEXT NOT NULL,
                PRIMARY KEY (attempt_no, block_hash)
            )""",
        ),
    ),
    (
        "attempt-versions",
        (
            # Which attempts are still looked at: set by the event 'settled', in its transaction, and derived from it.
            "ALTER TABLE attempt ADD COLUMN settled_at_ms BIGINT",
            """UPDATE attempt SET settled_at_ms = (
                SELECT MIN(at_ms) FROM attempt_event
                WHERE attempt_event.attempt_no = attempt.attempt_no AND attempt_event.event = 'settled'
            )""",
            "CREATE INDEX attempt_watched ON attempt (attempt_no) WHERE settled_at_ms IS NULL",
            # The tip of the best chain when this version was made: at most one is made upon each.
            "ALTER TABLE attempt ADD COLUMN tip_height BIGINT",
            "ALTER TABLE attempt ADD COLUMN tip_hash {bytes}",
            "CREATE INDEX attempt_made ON attempt (made_at_ms)",
            "CREATE INDEX attempt_checkpoint ON attempt (checkpoint_size, attempt_no)",
            # The coins that attempts spend, as the source told of them when the first version was made: a
            # replacement signs for them again while the source only knows that the mempool spends them.
            """CREATE TABLE attempt_coin (
                outpoint {bytes} PRIMARY KEY,
                value_sat BIGINT NOT NULL,
                height BIGINT,
                coinbase BIGINT NOT NULL,
                made_by {bytes} NOT NULL
            )""",
        ),
    ),
    (
        "time-stamps",
        (
            # Tokens of RFC 3161 over checkpoints, checked before they were stored: one for each authority that was
            # asked. A failure is noted so that whoever fails is left alone for longer and longer.
            """CREATE TABLE time_stamp (
                checkpoint_size BIGINT NOT NULL REFERENCES checkpoint (size),
                authority TEXT NOT NULL,
                token {bytes} NOT NULL,
                received_at_ms BIGINT NOT NULL,
                PRIMARY KEY (checkpoint_size, authority)
            )""",
            """CREATE TABLE time_stamp_failure (
                failure_no {key},
                authority TEXT NOT NULL,
                at_ms BIGINT NOT NULL,
                cause TEXT NOT NULL
            )""",
            "CREATE INDEX time_stamp_of ON time_stamp (authority, received_at_ms)",
            "CREATE INDEX time_stamp_failure_of ON time_stamp_failure (authority, failure_no)",
        ),
    ),
    (
        "calendar-attestations",
        (
            # What a calendar answered to a checkpoint's imprint: a timestamp that is pending somewhere. Only added to.
            """CREATE TABLE calendar_reply (
                reply_no {key},
                checkpoint_size BIGINT NOT NULL REFERENCES checkpoint (size),
                calendar TEXT NOT NULL,
                replied_at_ms BIGINT NOT NULL,
                reply {bytes} NOT NULL,
                UNIQUE (checkpoint_size, calendar)
            )""",
            # When calendars were asked what has become of it: noted before they are asked.
            "CREATE TABLE calendar_round (round_no {key}, asked_at_ms BIGINT NOT NULL)",
            # A whole .ots file over the imprint, which ends in a block of the network.
            """CREATE TABLE attestation (
                attestation_no {key},
                reply_no BIGINT NOT NULL UNIQUE REFERENCES calendar_reply (reply_no),
                attested_at_ms BIGINT NOT NULL,
                network TEXT NOT NULL,
                ots {bytes} NOT NULL
            )""",
            # The header of that block, checked against the file; it may come later than the file.
            """CREATE TABLE attestation_header (
                attestation_no BIGINT PRIMARY KEY REFERENCES attestation (attestation_no),
                header {bytes} NOT NULL
            )""",
        ),
    ),
    (
        "signature-requests",
        (
            # Anchors that somebody else signs: stored before anybody is asked. At most one has no end.
            """CREATE TABLE signature_request (
                request_no {key},
                made_at_ms BIGINT NOT NULL,
                checkpoint_size BIGINT NOT NULL REFERENCES checkpoint (size),
                txid {bytes} NOT NULL,
                unsigned {bytes} NOT NULL,
                fee_sat BIGINT NOT NULL
            )""",
            "CREATE INDEX signature_request_txid ON signature_request (txid)",
            """CREATE TABLE signature_request_end (
                request_no BIGINT PRIMARY KEY REFERENCES signature_request (request_no),
                at_ms BIGINT NOT NULL,
                ended TEXT NOT NULL
            )""",
        ),
    ),
    (
        "thread-recovery",
        (
            # An operator's intent to begin a new thread in the place of the one whose leaf hash is ``replaced``, with
            # the wallet of ``script`` (``old_script``: of the wallet before, often the same); ``leaf`` is the thread
            # leaf that the recovery key signed. The newest row counts, until a leaf that replaces this one is sealed.
            """CREATE TABLE thread_recovery (
                recovery_no {key},
                at_ms BIGINT NOT NULL,
                replaced {bytes} NOT NULL,
                old_script {bytes} NOT NULL,
                script {bytes} NOT NULL,
                leaf {bytes}
            )""",
        ),
    ),
    (
        "recent-headers",
        (
            # What counts for the depth of watched anchors where late blocks are nearly free: the best chain from the
            # lowest of their blocks on. It can be asked for again at any time.
            """CREATE TABLE recent_header (
                height BIGINT PRIMARY KEY,
                hash {bytes} NOT NULL,
                bits BIGINT NOT NULL,
                period_bits BIGINT NOT NULL
            )""",
        ),
    ),
    (
        "epoch-marks",
        (
            # Promises received in between may be lost (restored from a backup): an intent, until an epoch leaf of the
            # directory says the same.
            """CREATE TABLE epoch_mark (
                mark_no {key},
                lost_from_ms BIGINT NOT NULL,
                lost_to_ms BIGINT NOT NULL
            )""",
        ),
    ),
    (
        "mirrored-runs",
        (
            # Rows that were taken over from a mirror: entries only, their promises are lost, and an epoch mark says so.
            "CREATE TABLE mirrored_run (first_seq {key}, entry_count BIGINT NOT NULL)",
        ),
    ),
    (
        "request-keys",
        (
            # What became of requests that their clients named, for a day: so that a repetition gets the same answer.
            """CREATE TABLE request_key (
                name {bytes} PRIMARY KEY,
                request {bytes} NOT NULL,
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                outcomes TEXT NOT NULL,
                at_ms BIGINT NOT NULL
            )""",
            "CREATE INDEX request_key_age ON request_key (at_ms)",
        ),
    ),
    (
        "accounts",
        (
            # Who has an account. Nothing of it is ever deleted: a removed one keeps its name and its chains.
            """CREATE TABLE organisation (
                organisation_id TEXT PRIMARY KEY,
                name TEXT NOT NULL UNIQUE,
                submitter_salt {bytes} NOT NULL,
                made_at_ms BIGINT NOT NULL,
                removed_at_ms BIGINT,
                entries_per_s BIGINT,
                bytes_per_day BIGINT
            )""",
            # Keys of the HTTP API: visible part and SHA-256 of each. The operator's have no organisation.
            """CREATE TABLE api_key (
                key_no {key},
                key_id TEXT NOT NULL UNIQUE,
                organisation_id TEXT REFERENCES organisation (organisation_id),
                role TEXT NOT NULL,
                label TEXT NOT NULL,
                token_hash {bytes} NOT NULL,
                made_at_ms BIGINT NOT NULL,
                expires_at_ms BIGINT,
                revoked_at_ms BIGINT,
                replaces TEXT REFERENCES api_key (key_id)
            )""",
            "CREATE INDEX api_key_of ON api_key (organisation_id, key_no)",
            # Whose a chain is, and who may read it. A chain without a row is the operator's, and private.
            """CREATE TABLE chain_owner (
                chain_no BIGINT PRIMARY KEY REFERENCES chain (chain_no),
                organisation_id TEXT REFERENCES organisation (organisation_id),
                visibility TEXT NOT NULL
            )""",
            "CREATE INDEX chain_owner_of ON chain_owner (organisation_id, chain_no)",
            # What others may do on a chain. A grant that was withdrawn stays, with the time.
            """CREATE TABLE chain_grant (
                grant_no {key},
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                organisation_id TEXT NOT NULL REFERENCES organisation (organisation_id),
                role TEXT NOT NULL,
                made_at_ms BIGINT NOT NULL,
                expires_at_ms BIGINT,
                withdrawn_at_ms BIGINT
            )""",
            """CREATE UNIQUE INDEX chain_grant_of ON chain_grant (chain_no, organisation_id)
                WHERE withdrawn_at_ms IS NULL""",
        ),
    ),
    (
        "lease",
        (
            # Who may seal and anchor: one row. The fence grows with every new holder and never falls; ``holder`` is
            # NULL where nobody holds it. What the holder columns mean: anchor/lease_holder.py.
            """CREATE TABLE lease (
                lease_no {key},
                fence BIGINT NOT NULL,
                holder TEXT,
                stays BIGINT NOT NULL,
                host TEXT NOT NULL,
                pid BIGINT NOT NULL,
                start_ticks BIGINT NOT NULL,
                space TEXT NOT NULL,
                taken_at_ms BIGINT NOT NULL,
                renewed_at_ms BIGINT NOT NULL,
                expires_at_ms BIGINT NOT NULL
            )""",
            "INSERT INTO lease VALUES (0, 0, NULL, 0, '', 0, 0, '', 0, 0, 0)",
        ),
    ),
    (
        "outbox",
        (
            # What became of checkpoints and anchors, for others to be told: written in the transaction that made it so.
            "CREATE TABLE outbox (event_no {key}, at_ms BIGINT NOT NULL, news TEXT NOT NULL, facts TEXT NOT NULL)",
        ),
    ),
    (
        "webhooks",
        (
            # Who is told, where. Rows after ``told_event_no`` are not queued for it yet. Nothing is ever deleted.
            """CREATE TABLE webhook (
                webhook_no {key},
                webhook_id TEXT NOT NULL UNIQUE,
                url TEXT NOT NULL,
                news TEXT NOT NULL,
                secret {bytes} NOT NULL,
                is_for_tests BIGINT NOT NULL,
                made_at_ms BIGINT NOT NULL,
                removed_at_ms BIGINT,
                told_event_no BIGINT NOT NULL
            )""",
            # One message to one webhook: ``next_at_ms`` is NULL once it was taken, or given up. Event 0 is a test.
            """CREATE TABLE delivery (
                delivery_no {key},
                webhook_no BIGINT NOT NULL REFERENCES webhook (webhook_no),
                event_no BIGINT NOT NULL,
                made_at_ms BIGINT NOT NULL,
                tries BIGINT NOT NULL,
                next_at_ms BIGINT
            )""",
            "CREATE INDEX delivery_due ON delivery (next_at_ms) WHERE next_at_ms IS NOT NULL",
            "CREATE INDEX delivery_of ON delivery (webhook_no, delivery_no)",
            # Every try, with what came of it: the status of the answer (NULL: there was none), or why it failed.
            """CREATE TABLE delivery_try (
                try_no {key},
                delivery_no BIGINT NOT NULL REFERENCES delivery (delivery_no),
                at_ms BIGINT NOT NULL,
                status BIGINT,
                cause TEXT NOT NULL
            )""",
            "CREATE INDEX delivery_try_of ON delivery_try (delivery_no, try_no)",
        ),
    ),
    (
        "webhook-organisations",
        (
            # Whose a webhook is: NULL is the operator, who is told more than others.
            "ALTER TABLE webhook ADD COLUMN organisation_id TEXT REFERENCES organisation (organisation_id)",
            "CREATE INDEX webhook_of ON webhook (organisation_id, webhook_no)",
        ),
    ),
    (
        "attempt-spends",
        (
            # The versions of one anchor, and what spends its coin: for the pages that show the thread.
            "CREATE INDEX attempt_spends ON attempt (spends, attempt_no)",
        ),
    ),
    (
        "web-sessions",
        (
            # Browsers that gave an API key once (chains/sessions.py). Rows that are over are deleted.
            """CREATE TABLE web_session (
                session_no {key},
                token_hash {bytes} NOT NULL UNIQUE,
                key_id TEXT NOT NULL,
                made_at_ms BIGINT NOT NULL,
                ends_at_ms BIGINT NOT NULL
            )""",
            "CREATE INDEX web_session_end ON web_session (ends_at_ms)",
            "CREATE INDEX web_session_of ON web_session (key_id, session_no)",
        ),
    ),
    (
        "chain-life",
        (
            # Entries that close, transfer or continue their chain (chains/chain_life.py); ``kind`` is the extension.
            """CREATE TABLE life_entry (
                life_no {key},
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                leaf_index BIGINT NOT NULL,
                kind BIGINT NOT NULL,
                ends_here BIGINT NOT NULL
            )""",
            "CREATE UNIQUE INDEX life_entry_of ON life_entry (chain_no, leaf_index)",
            # Of a continuation: the other log's receipt of the last entry before it.
            """CREATE TABLE earlier_receipt (
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                leaf_index BIGINT NOT NULL,
                receipt {bytes} NOT NULL,
                PRIMARY KEY (chain_no, leaf_index)
            )""",
        ),
    ),
    (
        "access-notes",
        (
            # Whose access is noted: an organisation's id, or '' for the home itself. ``chain_no`` is its access chain
            # (NULL until the first record); numbers and times of its events only ever grow.
            """CREATE TABLE access_log (
                owner TEXT PRIMARY KEY,
                chain_no BIGINT REFERENCES chain (chain_no),
                next_number BIGINT NOT NULL,
                last_at_ms BIGINT NOT NULL
            )""",
            # Events that are in no entry yet; they leave in the transaction that writes the entry.
            """CREATE TABLE access_note (
                note_no {key},
                owner TEXT NOT NULL REFERENCES access_log (owner),
                number BIGINT NOT NULL,
                line {bytes} NOT NULL
            )""",
            "CREATE UNIQUE INDEX access_note_of ON access_note (owner, number)",
        ),
    ),
    (
        "envelope-keys",
        (
            # Keys of encrypted contents, wrapped for their readers (chains/envelopes.py). Of a reader who was removed
            # the row stays, with who removed him, and the wrapped key is gone. ``added_by`` NULL: with the entry.
            """CREATE TABLE envelope_key (
                key_no {key},
                seq BIGINT NOT NULL,
                reader {bytes} NOT NULL,
                wrap {bytes},
                added_at_ms BIGINT NOT NULL,
                added_by TEXT,
                removed_at_ms BIGINT,
                removed_by TEXT
            )""",
            "CREATE UNIQUE INDEX envelope_key_of ON envelope_key (seq, reader) WHERE removed_at_ms IS NULL",
            "CREATE INDEX envelope_key_history ON envelope_key (seq, key_no)",
        ),
    ),
    (
        "shares",
        (
            # One entry for whoever holds a link (chains/shares.py); of the link's secret only its hash is here.
            """CREATE TABLE share (
                share_no {key},
                share_id TEXT NOT NULL UNIQUE,
                token_hash {bytes} NOT NULL UNIQUE,
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                leaf_index BIGINT NOT NULL,
                organisation_id TEXT REFERENCES organisation (organisation_id),
                key_id TEXT REFERENCES api_key (key_id),
                label TEXT NOT NULL,
                made_at_ms BIGINT NOT NULL,
                ends_at_ms BIGINT NOT NULL,
                is_once BIGINT NOT NULL,
                revoked_at_ms BIGINT
            )""",
            "CREATE INDEX share_of ON share (chain_no, share_no)",
            # Who came by which link, when, and what he was given ("page", "receipt", "content"): written before that.
            """CREATE TABLE share_read (
                read_no {key},
                share_no BIGINT NOT NULL REFERENCES share (share_no),
                at_ms BIGINT NOT NULL,
                what TEXT NOT NULL
            )""",
            "CREATE INDEX share_read_of ON share_read (share_no, at_ms)",
        ),
    ),
    (
        "chain-transfers",
        (
            # Chains that their owners (NULL: the operator) offered to an organisation; ``ending`` NULL: it waits.
            """CREATE TABLE chain_transfer (
                transfer_no {key},
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                giver TEXT REFERENCES organisation (organisation_id),
                taker TEXT NOT NULL REFERENCES organisation (organisation_id),
                offered_at_ms BIGINT NOT NULL,
                expires_at_ms BIGINT,
                ended_at_ms BIGINT,
                ending TEXT
            )""",
            "CREATE UNIQUE INDEX chain_transfer_waiting ON chain_transfer (chain_no) WHERE ended_at_ms IS NULL",
        ),
    ),
    (
        "policies",
        (
            # The entries that state a policy in force in their chain (docs/spec/policy.md): heads name the newest one.
            """CREATE TABLE stated_policy (
                tree_no BIGINT NOT NULL REFERENCES tree (tree_no),
                leaf_index BIGINT NOT NULL,
                entry_hash {bytes} NOT NULL,
                PRIMARY KEY (tree_no, leaf_index)
            )""",
        ),
    ),
    (
        "erasures",
        (
            # Intents to erase: the entry that states it, whole, before it is recorded and before anything is destroyed.
            # What is left to do of one without ``done_at_ms`` is done again from the beginning (chains/erasing.py).
            """CREATE TABLE erasure (
                erasure_no {key},
                chain_no BIGINT NOT NULL REFERENCES chain (chain_no),
                entry {bytes} NOT NULL,
                salt {bytes} NOT NULL,
                done_at_ms BIGINT
            )""",
            "CREATE INDEX erasure_open ON erasure (erasure_no) WHERE done_at_ms IS NULL",
            # How long a chain keeps contents. Without a row: until somebody erases them.
            """CREATE TABLE chain_retention (
                chain_no BIGINT PRIMARY KEY REFERENCES chain (chain_no),
                keep_ms BIGINT NOT NULL
            )""",
            # Where copies of the content keys were written, which an erasure has to reach.
            "CREATE TABLE key_copy (path TEXT PRIMARY KEY, made_at_ms BIGINT NOT NULL)",
        ),
    ),
    (
        "heads-nodes",
        (
            # The heads tree's subtrees, by the first hexadecimal digits of their chain ids, from the seal on that made
            # the directory ``size`` leaves (anchor/heads_nodes.py). Rows are only ever added.
            """CREATE TABLE heads_node (
                prefix TEXT NOT NULL,
                size BIGINT NOT NULL,
                chains BIGINT NOT NULL,
                hash {bytes} NOT NULL,
                PRIMARY KEY (prefix, size)
            )""",
            # The chains that the next seal gathers: few of many.
            "CREATE INDEX tree_changed ON tree (chain_id) WHERE size > sealed_size",
        ),
    ),
    (
        "house-move",
        (
            # At most one row: this database is being copied elsewhere and takes no writes ("leaving"), was moved there
            # for good ("left"), or is itself a copy that is not whole yet ("arriving"). chains/moving.py.
            """CREATE TABLE house_move (
                move_no BIGINT PRIMARY KEY,
                state TEXT NOT NULL,
                elsewhere TEXT NOT NULL,
                at_ms BIGINT NOT NULL
            )""",
        ),
    ),
    (
        "expand-unsigned-checkpoints",
        (
            # What is stored and not signed yet: nothing, but for the moment of a seal or after a crash in it.
            "CREATE INDEX checkpoint_unsigned ON checkpoint (size) WHERE note IS NULL",
        ),
    ),
    (
        "expand-lookup-filters",
        (
            # How many blocks the filter of a run has; NULL where a version wrote it that knew of none. Blocks without
            # such a number are nobody's: that version takes runs away and leaves them (chains/run_filters.py).
            "ALTER TABLE lookup_run ADD COLUMN filter_blocks BIGINT",
            # A block's number is run_no * 2^32 and its place in the filter.
            """CREATE TABLE lookup_filter (
                block_number {key},
                bits {bytes} NOT NULL
            )""",
        ),
    ),
    (
        "leaf-tails",
        (
            # The newest leaf hashes of a log, from first_index on, up to 31 in one tile (anchor/leaf_tails.py). They
            # count where they go on with what the tile of level 0 holds: what lies in that already says nothing.
            """CREATE TABLE leaf_tail (
                tree_no {key},
                first_index BIGINT NOT NULL,
                hashes {bytes} NOT NULL
            )""",
        ),
    ),
)
