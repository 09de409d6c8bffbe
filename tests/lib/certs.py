"""A throw-away certificate authority, made with the openssl program."""
import os
import subprocess

DAYS = '30'


def _openssl(*args):
    subprocess.run(['openssl', *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """ca: the authority's PEM file.  issue() makes key and certificate pairs below the same folder."""

    def __init__(self, folder, name='test authority'):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.ca = os.path.join(folder, 'ca.crt')
        self.key = os.path.join(folder, 'ca.key')
        _openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                 '-days', DAYS, '-subj', f'/CN={name}', '-keyout', self.key, '-out', self.ca)

    def issue(self, name, hosts=('localhost', '127.0.0.1', '127.0.0.2'), rsa=False):
        """(certificate path, key path) for a server of these hosts, or for a client."""
        base = os.path.join(self.folder, name)
        key, request, cert, extensions = base + '.key', base + '.csr', base + '.crt', base + '.ext'
        kind = ['rsa:2048'] if rsa else ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
        _openssl('req', '-newkey', *kind, '-nodes', '-subj', f'/CN={name}', '-keyout', key, '-out', request)
        names = [('IP:' if h.replace('.', '').isdigit() else 'DNS:') + h for h in hosts]
        with open(extensions, 'w') as f:
            f.write('basicConstraints=CA:FALSE\n'
                    'keyUsage=digitalSignature,keyEncipherment\n'
                    'extendedKeyUsage=serverAuth,clientAuth\n'
                    'subjectAltName=' + ','.join(names) + '\n')
        _openssl('x509', '-req', '-in', request, '-CA', self.ca, '-CAkey', self.key, '-CAcreateserial',
                 '-days', DAYS, '-extfile', extensions, '-out', cert)
        return cert, key
