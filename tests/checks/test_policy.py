"""Where probes may go."""

from ipaddress import ip_network

import pytest

from checks.core.policy import DEFAULT_DENY, DeniedError, check_address, denied_by


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:42::42",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_metadata_services_are_denied_in_every_disguise(address):
    with pytest.raises(DeniedError, match=r"is denied by the network policy \(.*\); network.allow makes an exception"):
        check_address(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "::1", "1.1.1.1", "2606:4700::1111", "0.0.0.0", "fd00::1"]
)
def test_everything_else_is_open(address):
    check_address(address)


@pytest.mark.parametrize(
    ("address", "deny", "allow", "denied"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], [], True),
        ("10.1.2.3", ["10.0.0.0/8"], ["10.1.0.0/16"], False),
        ("10.2.2.3", ["10.0.0.0/8"], ["10.1.0.0/16"], True),
        ("169.254.1.1", [], [], False),
        ("0.0.0.0", ["127.0.0.0/8"], [], True),
        ("::", ["::1/128"], [], True),
        ("::ffff:10.1.2.3", ["10.0.0.0/8"], ["10.1.0.0/16"], False),
        ("64:ff9b::a01:203", ["10.0.0.0/8"], ["64:ff9b::/96"], True),  # the way in is open, the address behind is not
    ],
)
def test_rules_and_exceptions(address, deny, allow, denied):
    rule = denied_by(address, [*map(ip_network, deny)], [*map(ip_network, allow)])
    assert (rule is not None) is denied


def test_every_default_rule_is_one_that_matters():
    assert len(set(DEFAULT_DENY)) == len(DEFAULT_DENY)
