# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tests run a second and a third time, with sanitizers: the one place where that is chosen.

Under the address and undefined-behaviour sanitizers runs what reads what others wrote, and whatever
lives and dies: interfaces, connections, transfers, configurations. What the kernel counts, what TLS
libraries agree upon and how foreign programs read our text is the same there; our parsers of these
have unit tests and fuzzers, which run with the sanitizers, too. Under the thread sanitizer runs where
threads meet.

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
    # Its keys: fuzz_grouping. What is freed stays resident. Threads: all that a process does at once.
    "test_attack.py": (
        AllBut({"test_many_grouping_keys", "test_memory_of_slow_readers"}),
        ("test_nothing_is_left", "test_stuck_scrapers"),
    ),
    # What is counted while the clock steps.
    "test_clock.py": (NONE, NONE),
    # What the kernel does with other programs beside ours.
    "test_coexist.py": (NONE, NONE),
    # Names of containers: fuzz_identity, and what lives and dies here.
    "test_container_names.py": (AllBut(), NONE),
    # What a database adds up.
    "test_database.py": (NONE, NONE),
    # What stands in the database and in foreign parsers: fuzz_encode, test_encode.
    "test_delivery.py": (
        AllBut({
            "test_foreign_parsers", "test_legacy_metrics", "test_original_environment",
            "test_prometheus_scrapes", "test_pushgateway_shows_the_same", "test_restart",
        }),
        (
            "test_departure_is_pushed", "test_group_deleted_on_exit", "test_last_push",
            "test_pushgateway_killed_and_restarted", "test_pushgateway_that_hangs",
        ),
    ),
    # fuzz_encode and test_encode.
    "test_encoding.py": (NONE, NONE),
    # What the kernel counts.
    "test_exact.py": (NONE, NONE),
    "test_host_name.py": (
        (
            "test_a_delete_that_fails_is_tried_again", "test_back_again", "test_order",
            "test_the_series_go_on",
        ),
        NONE,
    ),
    # What the kernel lets us attach, and had counted before.
    "test_hotplug.py": (
        AllBut({
            "test_attached_before_it_is_up", "test_bridge_does_not_lock_out_its_ports",
            "test_counted_before_we_came", "test_interfaces_that_were_there_before", "test_killed",
        }),
        (
            "test_departure", "test_few_open_files", "test_include_and_exclude",
            "test_more_interfaces_than_places", "test_moved_away", "test_terminated",
        ),
    ),
    # Of indexes that were used again, test_index_reused_while_asleep has each way.
    "test_identity.py": (AllBut({"test_reused_ifindex_counted_while_asleep"}), NONE),
    # Where places are: test_sweep, test_attacher.
    "test_limits.py": (
        AllBut({"test_ifindexes_far_apart", "test_places_that_rest"}),
        ("test_ring_full",),
    ),
    # How kinds are named: fuzz_netlink.
    "test_monitor.py": (AllBut({"test_kinds"}), NONE),
    "test_names.py": (("test_set_later",), NONE),
    "test_early.py": (AllBut({"test_excluded", "test_flows_are_seen"}), NONE),
    "test_offloads.py": (("test_put_back_when_unwanted", "test_somebody_else_decides"), NONE),
    # What the kernel counts.
    "test_passages.py": (NONE, NONE),
    # Who may do what: no code of ours but test_privileges.
    "test_privileges.py": (NONE, NONE),
    # What the gateway makes of it: fuzz_grouping, fuzz_encode.
    "test_push.py": (
        AllBut({
            "test_bad_groups_are_refused_before_anything_is_sent", "test_delete_finds_an_odd_group",
            "test_grid_does_not_drift", "test_grouping_round_trip",
            "test_legacy_beside_the_original", "test_values_types_and_labels",
        }),
        NONE,
    ),
    "test_refused.py": (AllBut(), NONE),
    # What the engines do.
    "test_runtimes.py": (NONE, NONE),
    # What a sandbox that is wider for sanitizers refuses says nothing; that it lets pass what is
    # needed, the other files show.
    "test_sandbox.py": (("test_configuration_is_read_again",), NONE),
    "test_soak.py": (AllBut(), NONE),
    # When lists of interfaces are asked for: test_watch.
    "test_start.py": (NONE, NONE),
    # test_soak.py has storms of its own.
    "test_storm.py": (NONE, NONE),
    # What systemd does with a unit.
    "test_systemd.py": (NONE, NONE),
    # With sanitizers, allocations fail otherwise.
    "test_waiting.py": (AllBut({"test_no_memory"}), NONE),
    # What GnuTLS and Prometheus agree upon, and how files are read: test_web_config,
    # fuzz_web_config, fuzz_certificate.
    "test_web.py": (
        AllBut({
            "test_allowed_sans", "test_client_auth_types", "test_nothing_is_quoted", "test_prometheus",
            "test_stop_while_hashing_and_pushing", "test_tls_parameters", "test_verdicts",
        }),
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
