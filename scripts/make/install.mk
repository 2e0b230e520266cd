# SPDX-License-Identifier: Apache-2.0
# Installation below $(DESTDIR)$(PREFIX), help, and cleaning.
MAN := $(wildcard man/*.[1-8])
man_folder = $(DESTDIR)$(PREFIX)/share/man/man$(patsubst .%,%,$(suffix $(1)))
man_place = $(call man_folder,$(1))/$(notdir $(1))
MAN_FOLDERS = $(sort $(foreach page,$(MAN),$(call man_folder,$(page))))
PLAYGROUND := $(wildcard tools/playground/*)

.PHONY: install uninstall clean help image
# An OCI archive; needs umoci (scripts/setup.sh kube).
IMAGE ?= localhost/weft:dev
image: all
	$(Q)/usr/bin/python3 tools/image/build.py $(BUILD) $(IMAGE) $(BUILD)/image/weft.tar

install: all
	$(Q)install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin \
		$(DESTDIR)$(PREFIX)/lib/weft/playground $(MAN_FOLDERS)
	$(Q)install -m 755 $(BUILD)/weftd $(DESTDIR)$(PREFIX)/sbin/weftd
	$(Q)install -m 755 $(BUILD)/weft $(DESTDIR)$(PREFIX)/bin/weft
	$(Q)ln -sf weft $(DESTDIR)$(PREFIX)/bin/kubectl-traffic
	$(Q)cp -R --no-preserve=ownership tools/playground/. $(DESTDIR)$(PREFIX)/lib/weft/playground/
	$(Q)rm -rf $(DESTDIR)$(PREFIX)/lib/weft/playground/__pycache__
	$(Q)ln -sf ../lib/weft/playground/weft-playground $(DESTDIR)$(PREFIX)/bin/weft-playground
	$(Q)$(foreach page,$(MAN),install -m 644 $(page) $(call man_place,$(page)) &&) true

uninstall:
	$(Q)rm -f $(DESTDIR)$(PREFIX)/sbin/weftd $(DESTDIR)$(PREFIX)/bin/weft \
		$(DESTDIR)$(PREFIX)/bin/weft-playground $(DESTDIR)$(PREFIX)/bin/kubectl-traffic \
		$(foreach page,$(MAN),$(call man_place,$(page)))
	$(Q)rm -rf $(DESTDIR)$(PREFIX)/lib/weft

clean:
	$(Q)rm -rf $(BUILD)

help:
	@echo 'make demo           set up, build, and show the main job on a simulated cluster (root)'
	@echo 'make check          set up, build, and run all tests (root; without root the pure tiers)'
	@echo 'make all            build weftd, weft and weft-playground below build/'
	@echo 'make check-TIER     one tier: $(TIERS)'
	@echo 'make check-kernels  the BPF tests and a cluster on other kernels, in QEMU (slow)'
	@echo 'make check-kube     weft on a real two-node Kubernetes cluster on this machine'
	@echo 'make image          build/image/weft.tar, an OCI image; IMAGE=NAME:TAG'
	@echo 'make kube-up        a two-node Kubernetes cluster on this machine with weft installed (kube-down ends it)'
	@echo 'make fuzz           run the fuzz targets, FUZZ_SECONDS=300 each'
	@echo 'make bench          measure cost against direct connections and proxies (root)'
	@echo 'make bench-kube     measure the agent behind an API server, in large clusters'
	@echo 'make lint           style, layering and self-contained headers'
	@echo 'make setup          install build, run and test dependencies (apt)'
	@echo 'make install        install below DESTDIR/PREFIX (uninstall removes)'
	@echo 'make clean          remove build/'
	@echo 'Variables: V=1 BUILD= CC= CLANG= BPFTOOL= PREFIX= DESTDIR= SANITIZE=1'
