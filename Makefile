# SPDX-License-Identifier: Apache-2.0
# weft. `make help` lists the targets. Everything is built below $(BUILD).
BUILD ?= build
V ?= 0
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(shell command -v bpftool 2>/dev/null) /usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

.DEFAULT_GOAL := all
include scripts/make/rules.mk
include scripts/make/bpf.mk
include scripts/make/user.mk
include scripts/make/tests.mk
include scripts/make/bench.mk
include scripts/make/kernels.mk
include scripts/make/install.mk
