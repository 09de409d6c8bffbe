"""
The conformance suite of the OCI distribution specification against `regmirror serve`.

It is another project's program: `make conformance` installs it by Go and names it in $OCI_CONFORMANCE; without that
the test is skipped.
"""
import os
import re
import subprocess

import pytest

SUITE = os.environ.get('OCI_CONFORMANCE')
SUITE_SECONDS = 300
# What a version of the specification does not have; the suite says "Disabled" of it.  Sparse manifests lack layers as
# well as children, which `serve.sparse` does not allow.
DISABLED = {'1.1': {'Blob upload cancel', 'Manifest put with tag params', 'Sparse Manifests', 'Tag Param', 'Tag Param sha512'},
            'dev': {'Sparse Manifests'}}


@pytest.mark.skipif(not SUITE, reason='$OCI_CONFORMANCE names no program; see `make conformance`')
@pytest.mark.parametrize('secured', [False, True], ids=['plain', 'tls-and-password'])
@pytest.mark.parametrize('version', ['1.1', 'dev'])
def test_the_suite_finds_nothing_wrong(make_served, authority, tmp_path, version, secured):
    server = make_served(**({'tls': authority, 'users': {'ci': 'right horse'}} if secured else {}))
    results = tmp_path / 'results'
    settings = {'OCI_REGISTRY': server.host, 'OCI_TLS': 'enabled' if secured else 'disabled', 'OCI_VERSION': version,
                'OCI_REPO1': 'conformance/one', 'OCI_REPO2': 'conformance/two', 'OCI_RESULTS_DIR': str(results)}
    if secured:
        settings |= {'OCI_USERNAME': 'ci', 'OCI_PASSWORD': 'right horse', 'SSL_CERT_FILE': authority.ca}
    run = subprocess.run([SUITE], env={**server.env, **settings}, cwd=tmp_path, text=True, timeout=SUITE_SECONDS,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # A suite that could not begin ends with 0, too.
    assert run.returncode == 0 and (results / 'results.yaml').exists(), run.stdout[-3000:]
    counts = {name: int(n) for name, n in re.findall(r'^  (Pass|FAIL|Fail|Error|Skip|Total)\.*: +(\d+)$', run.stdout, re.M)}
    assert counts['Pass'] > 800 and counts['Error'] == counts['Skip'] == counts.get('FAIL', counts.get('Fail', 0)) == 0, counts
    assert {name for name in re.findall(r'^  (\S.*?)\.*: +Disabled$', run.stdout, re.M)} == DISABLED[version]
    assert server.stop() == 0
