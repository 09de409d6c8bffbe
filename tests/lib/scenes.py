"""
A good image beside a bad one, and what must be true after a run that met the bad one: the others are
published, nothing is half-published, the exit code is right, and the error says what, where and why.
"""
import hashlib
import json
import re

import client
import images

LAYER_BYTES = 400 * 1024    # more than what is held back, and more than one write of the server


def noise(size, seed=''):
    """Bytes that do not compress."""
    return b''.join(hashlib.sha256(f'{seed}{i}'.encode()).digest() for i in range(size // 32))


def app(c, repository, size=LAYER_BYTES, tag='v1'):
    """A tagged image with one layer of about size bytes, that no other repository has."""
    return c.tag(repository, tag, c.image([images.Layer({'data': noise(size, repository)}, 'none')]))


def good_and_bad():
    """good/app and bad/app, which share nothing; the bad one comes first."""
    c = images.Corpus()
    app(c, 'good/app', 1024)
    app(c, 'bad/app')
    return c


def layer_of(c, repository='bad/app'):
    """The digest of an image's first layer."""
    return json.loads(c.manifests[c.tags[repository]['v1']][1])['layers'][0]['digest']


def image_errors(r):
    """{"repository:tag": error} of a run's report."""
    return {f"{i['source_repository']}:{i['tag']}": i['error'] for i in r.report['images'] if i['error']}


def assert_whole(target, r):
    """No tag of a scripted target points at missing content."""
    assert target.storage.check() == [], f'{target.storage.check()}\n{r}'


def assert_all_published(r, target, corpus, repositories=None):
    missing = client.differences(corpus, target.client(), repositories=repositories)
    assert missing == [], f'{missing}\n{r}'
    assert_whole(target, r)


def assert_explained(r, *words, bad='bad/app'):
    """Only images of the bad repository failed; each is told on stderr with all words, and where it belongs."""
    errors = image_errors(r)
    assert errors and all(name.startswith(bad) for name in errors), f'{r}'
    text = ' '.join(e['text'] for e in errors.values())
    for word in words:
        assert re.search(word, text), f'"{word}" is not in the error: {text}\n{r}'
    for name, e in errors.items():
        repository, _, tag = name.partition(':')
        told = [line for line in r.stderr.splitlines() if line.startswith('error: ') and e['text'] in line]
        assert told and all(f'repository={repository} tag={tag} ' in line for line in told), f'{r}'


def assert_only_bad_failed(r, target, corpus, *words, bad='bad/app'):
    """Exit code 3, everything but the bad repository published, and the error says all that there is to say."""
    assert r.code == 3, f'{r}'
    assert_all_published(r, target, corpus, [name for name in corpus.tags if name != bad])
    assert target.client().tags(bad) == [], f'{r}'
    assert_explained(r, *words, bad=bad)


def assert_mirror_blamed(r, mirror, target, corpus, *words):
    """Exit code 0, all published, and a warning names the mirror and holds the words; returns such warnings."""
    r.ok()
    assert_all_published(r, target, corpus)
    warnings = [line for line in r.stderr.splitlines() if line.startswith('warning: ') and mirror.host in line]
    assert warnings, f'no warning names {mirror.host}\n{r}'
    for word in words:
        assert any(re.search(word, line) for line in warnings), f'"{word}" is not in the warnings\n{r}'
    return warnings
