/*
 * kubeadm_table.c - the images of each patch version of Kubernetes, as data.
 *
 * Coredns, etcd and pause are those of guides/protocol.md 5.4, which has them from the constants
 * that minikube generates by running each kubeadm.  Order and default repository are kubeadm's own:
 * pause, etcd, coredns up to 1.28; k8s.gcr.io up to 1.24, and not in its last patch versions nor in
 * those of 1.22 and 1.23 (December 2022).
 */
#include "select/kubeadm_internal.h"

const char kubeadm_builtin[] =
	"1.20.0..15   k8s.gcr.io       pause:3.2 etcd:3.4.13-0 coredns:1.7.0\n"
	"1.21.0..14   k8s.gcr.io       pause:3.4.1 etcd:3.4.13-0 coredns/coredns:v1.8.0\n"
	"1.22.0..16   k8s.gcr.io       pause:3.5 etcd:3.5.0-0 coredns/coredns:v1.8.4\n"
	"1.22.17      registry.k8s.io  pause:3.5 etcd:3.5.6-0 coredns/coredns:v1.8.4\n"
	"1.23.0..13   k8s.gcr.io       pause:3.6 etcd:3.5.1-0 coredns/coredns:v1.8.6\n"
	"1.23.14      k8s.gcr.io       pause:3.6 etcd:3.5.5-0 coredns/coredns:v1.8.6\n"
	"1.23.15..17  registry.k8s.io  pause:3.6 etcd:3.5.6-0 coredns/coredns:v1.8.6\n"
	"1.24.0..7    k8s.gcr.io       pause:3.7 etcd:3.5.3-0 coredns/coredns:v1.8.6\n"
	"1.24.8       k8s.gcr.io       pause:3.7 etcd:3.5.5-0 coredns/coredns:v1.8.6\n"
	"1.24.9..17   registry.k8s.io  pause:3.7 etcd:3.5.6-0 coredns/coredns:v1.8.6\n"
	"1.25.0..3    registry.k8s.io  pause:3.8 etcd:3.5.4-0 coredns/coredns:v1.9.3\n"
	"1.25.4       registry.k8s.io  pause:3.8 etcd:3.5.5-0 coredns/coredns:v1.9.3\n"
	"1.25.5..14   registry.k8s.io  pause:3.8 etcd:3.5.6-0 coredns/coredns:v1.9.3\n"
	"1.25.15..16  registry.k8s.io  pause:3.8 etcd:3.5.9-0 coredns/coredns:v1.9.3\n"
	"1.26.0..9    registry.k8s.io  pause:3.9 etcd:3.5.6-0 coredns/coredns:v1.9.3\n"
	"1.26.10..12  registry.k8s.io  pause:3.9 etcd:3.5.9-0 coredns/coredns:v1.9.3\n"
	"1.26.13..15  registry.k8s.io  pause:3.9 etcd:3.5.10-0 coredns/coredns:v1.9.3\n"
	"1.27.0..6    registry.k8s.io  pause:3.9 etcd:3.5.7-0 coredns/coredns:v1.10.1\n"
	"1.27.7..9    registry.k8s.io  pause:3.9 etcd:3.5.9-0 coredns/coredns:v1.10.1\n"
	"1.27.10..11  registry.k8s.io  pause:3.9 etcd:3.5.10-0 coredns/coredns:v1.10.1\n"
	"1.27.12..16  registry.k8s.io  pause:3.9 etcd:3.5.12-0 coredns/coredns:v1.10.1\n"
	"1.28.0..5    registry.k8s.io  pause:3.9 etcd:3.5.9-0 coredns/coredns:v1.10.1\n"
	"1.28.6..7    registry.k8s.io  pause:3.9 etcd:3.5.10-0 coredns/coredns:v1.10.1\n"
	"1.28.8..13   registry.k8s.io  pause:3.9 etcd:3.5.12-0 coredns/coredns:v1.10.1\n"
	"1.28.14..15  registry.k8s.io  pause:3.9 etcd:3.5.15-0 coredns/coredns:v1.10.1\n"
	"1.29.0..2    registry.k8s.io  coredns/coredns:v1.11.1 pause:3.9 etcd:3.5.10-0\n"
	"1.29.3..8    registry.k8s.io  coredns/coredns:v1.11.1 pause:3.9 etcd:3.5.12-0\n"
	"1.29.9..10   registry.k8s.io  coredns/coredns:v1.11.1 pause:3.9 etcd:3.5.15-0\n"
	"1.29.11..15  registry.k8s.io  coredns/coredns:v1.11.1 pause:3.9 etcd:3.5.16-0\n"
	"1.30.0..4    registry.k8s.io  coredns/coredns:v1.11.1 pause:3.9 etcd:3.5.12-0\n"
	"1.30.5..14   registry.k8s.io  coredns/coredns:v1.11.3 pause:3.9 etcd:3.5.15-0\n"
	"1.31.0       registry.k8s.io  coredns/coredns:v1.11.1 pause:3.10 etcd:3.5.15-0\n"
	"1.31.1..13   registry.k8s.io  coredns/coredns:v1.11.3 pause:3.10 etcd:3.5.15-0\n"
	"1.31.14      registry.k8s.io  coredns/coredns:v1.11.3 pause:3.10 etcd:3.5.24-0\n"
	"1.32.0..9    registry.k8s.io  coredns/coredns:v1.11.3 pause:3.10 etcd:3.5.16-0\n"
	"1.32.10..13  registry.k8s.io  coredns/coredns:v1.11.3 pause:3.10 etcd:3.5.24-0\n"
	"1.33.0..5    registry.k8s.io  coredns/coredns:v1.12.0 pause:3.10 etcd:3.5.21-0\n"
	"1.33.6..13   registry.k8s.io  coredns/coredns:v1.12.0 pause:3.10 etcd:3.5.24-0\n"
	"1.34.0..1    registry.k8s.io  coredns/coredns:v1.12.1 pause:3.10.1 etcd:3.6.4-0\n"
	"1.34.2..10   registry.k8s.io  coredns/coredns:v1.12.1 pause:3.10.1 etcd:3.6.5-0\n"
	"1.35.0..7    registry.k8s.io  coredns/coredns:v1.13.1 pause:3.10.1 etcd:3.6.6-0\n"
	"1.36.0..3    registry.k8s.io  coredns/coredns:v1.14.2 pause:3.10.2 etcd:3.6.8-0\n"
	"1.37.0-rc.0  registry.k8s.io  coredns/coredns:v1.14.6 pause:3.10.2 etcd:3.7.0-0\n";
