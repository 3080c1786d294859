# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tests run a second and a third time, with sanitizers: the one place where that is chosen.

Under the address and undefined-behaviour sanitizers runs what reads what others wrote, and whatever
lives and dies: interfaces, connections, transfers, configurations; of tests that take the same way
through the code, one. test_soak.py has interfaces that come, go, move, change names and indexes, are
folded and pushed, at random; the unit tests and the fuzzers run with the sanitizers, too, and have
parsers, series, the sink and the rules of configurations. What the kernel counts, what TLS libraries
agree upon and how foreign programs read our text is the same without them. Under the thread sanitizer
runs where threads meet.

A file that is not named here runs as a whole with both. conftest.py and lint/complete.sh read this;
the latter fails for a name that is no test's.
"""
import pathlib
import re
import sys

NONE = ()


class AllBut(frozenset):
    """The tests of a file, except for these."""


# file: (address and undefined behaviour, threads)
TESTS = {
    # Threads: test_page_live and test_http_page.
    "test_api.py": (("test_api",), NONE),
    # Threads: all that a process does at once.
    "test_attack.py": (
        (
            "test_broken_gateway", "test_nothing_is_left", "test_slow_and_idle_clients",
            "test_stuck_scrapers",
        ),
        ("test_nothing_is_left", "test_stuck_scrapers"),
    ),
    # What is counted while the clock steps.
    "test_clock.py": (NONE, NONE),
    # What the kernel does with other programs beside ours.
    "test_coexist.py": (NONE, NONE),
    # Names of containers: fuzz_identity, and what lives and dies here.
    "test_container_names.py": (("test_kinds", "test_short_lives"), NONE),
    # What Grafana and Prometheus make of it.
    "test_dashboard.py": (NONE, NONE),
    # What a database adds up.
    "test_database.py": (NONE, NONE),
    # What stands in the database and in foreign parsers: fuzz_encode, test_encode.
    "test_delivery.py": (
        (
            "test_departure_is_pushed", "test_group_deleted_on_exit", "test_pushgateway_that_hangs",
            "test_without_libcurl",
        ),
        ("test_departure_is_pushed", "test_group_deleted_on_exit", "test_pushgateway_that_hangs"),
    ),
    # What the kernel counts; with sanitizers what is read, swept and carried over. Threads: as drops.
    "test_dns.py": (("test_table",), NONE),
    # What the kernel counts; with sanitizers what is read and carried over.
    "test_drops.py": (("test_counters_of_interfaces", "test_departed"), NONE),
    # fuzz_encode and test_encode.
    "test_encoding.py": (NONE, NONE),
    # What the kernel counts.
    "test_exact.py": (NONE, NONE),
    # What a database adds up.
    "test_fleet.py": (NONE, NONE),
    # Bursts, and owners of the socket that do not answer: test_healthcheck.
    "test_healthcheck.py": (("test_name_taken",), NONE),
    "test_host_name.py": (("test_a_delete_that_fails_is_tried_again", "test_back_again"), NONE),
    # What soak does not do: descriptors that run out, and one that comes back while its leaving waits.
    "test_hotplug.py": (
        (
            "test_counted_on_its_return_before_the_event_of_its_leaving", "test_few_open_files",
            "test_more_interfaces_than_places",
            "test_successor_that_we_know_by_another_ifindex",
        ),
        ("test_departure", "test_more_interfaces_than_places", "test_terminated"),
    ),
    # What is not seen when it happens.
    "test_identity.py": (
        (
            "test_back_under_another_name", "test_collision", "test_index_reused_while_asleep",
            "test_name_taken_while_asleep", "test_sighup",
        ),
        NONE,
    ),
    # Where places are: test_sweep, test_attacher. What is folded early: soak.
    "test_limits.py": (
        ("test_more_flows_than_the_caches_hold", "test_ring_full"),
        ("test_ring_full",),
    ),
    # How links and kinds are read: fuzz_netlink.
    "test_monitor.py": (
        (
            "test_forged_message", "test_large_link", "test_overrun", "test_resync_under_churn",
            "test_reused_ifindex",
        ),
        NONE,
    ),
    # What databases make of it: test_ledger, test_lives, fuzz_remote.
    "test_ledger.py": (NONE, NONE),
    "test_names.py": (("test_set_later",), NONE),
    # Provisional slots: with their interface, without it, and without a place.
    "test_early.py": (("test_gone_again", "test_never_heard_of", "test_without_a_place"), NONE),
    "test_offloads.py": (("test_put_back_when_unwanted",), NONE),
    # What a body says: fuzz_remote.
    "test_otlp.py": (("test_answers",), NONE),
    # What a browser shows: fuzz_page has the page, test_attack.py many who look.
    "test_page.py": (("test_many_look",), ("test_many_look",)),
    # What the kernel counts.
    "test_passages.py": (NONE, NONE),
    # Who may do what: no code of ours but test_privileges.
    "test_privileges.py": (NONE, NONE),
    # Answers, ends and secrets. When is pushed what: test_sink. What the gateway makes of it:
    # fuzz_grouping, fuzz_encode.
    "test_push.py": (
        (
            "test_bad_token_is_not_sent", "test_broken_answers", "test_credentials_of_the_url",
            "test_endless_answer", "test_failing_snapshot", "test_large_body_without_expect",
            "test_legacy_that_is_refused", "test_nobody_listens", "test_password_file_is_read_again",
            "test_redirect_is_not_followed", "test_rejected_is_logged_once_and_waits",
            "test_stop_ends_a_hung_transfer", "test_tls", "test_tls_refuses_an_unknown_authority",
        ),
        NONE,
    ),
    # What databases make of it.
    "test_receivers.py": (NONE, NONE),
    "test_refused.py": (AllBut(), NONE),
    # Requests that wait while states are taken, and bodies that are cut; what a body says: fuzz_remote. What
    # an answer means: test_remote_answer. A hundred senders are a hundred times the same.
    "test_remote_write.py": (
        ("test_answers", "test_slow_receivers", "test_versions_and_sizes"), ("test_slow_receivers",),
    ),
    # What is deployed with the exporter.
    "test_rules.py": (NONE, NONE),
    # What the engines do.
    "test_runtimes.py": (NONE, NONE),
    # What a sandbox that is wider for sanitizers refuses says nothing; that it lets pass what is
    # needed, the other files show. How configurations are read again: test_web.py.
    "test_sandbox.py": (NONE, NONE),
    "test_soak.py": (AllBut(), NONE),
    # Threads: it is the sink's alone.
    "test_spool.py": (AllBut(), NONE),
    # When lists of interfaces are asked for: test_watch.
    "test_start.py": (NONE, NONE),
    # test_soak.py has storms of its own.
    "test_storm.py": (NONE, NONE),
    # What systemd does with a unit. Reports: test_notify.
    "test_systemd.py": (NONE, NONE),
    # What the kernel counts. What is read of it: test_spaces.
    "test_tcp.py": (NONE, NONE),
    # With sanitizers, allocations fail otherwise. Stages without TLS are some of those with it.
    "test_waiting.py": (("test_no_descriptors", "test_tls_stages"), NONE),
    # Connections that wait, end and are refused, and files that change. What GnuTLS and Prometheus
    # agree upon, and what files say: test_web_config, fuzz_web_config, fuzz_certificate.
    "test_web.py": (
        (
            "test_broken_and_repaired", "test_few_open_files", "test_known_over_reload",
            "test_not_tls", "test_passwords_take_no_places", "test_rotation",
            "test_stop_while_hashing", "test_systemd_sockets",
        ),
        ("test_known_over_reload", "test_rotation", "test_stop_while_hashing"),
    ),
}
SUITES = ("sanitized", "threads")


def runs(suite, file, test):
    """Whether `test` of `file` (no path, no parameters) is one of `suite`."""
    if suite not in SUITES or file not in TESTS:
        return True
    chosen = TESTS[file][SUITES.index(suite)]
    return (test in chosen) != isinstance(chosen, AllBut)


def without(suite):
    """The files of which `suite` has nothing."""
    if suite not in SUITES:
        return set()
    return {file for file, chosen in TESTS.items() if chosen[SUITES.index(suite)] is NONE}


def unknown(folder):
    """What is named above and is not there."""
    for file, suites in TESTS.items():
        path = pathlib.Path(folder, file)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        there = set(re.findall(r"^def (test_\w+)", text, re.M))
        if not there:
            yield file
        for name in sorted(set().union(*suites) - there):
            yield f"{file}::{name}"


if __name__ == "__main__":
    missing = list(unknown(pathlib.Path(__file__).parent))
    print("\n".join(missing))
    sys.exit(bool(missing))
