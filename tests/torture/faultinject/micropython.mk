# A test-only module: no firmware includes it.
SRC_USERMOD_C += $(USERMOD_DIR)/faultinject.c

# The linker redirects calls between object files, so the same source tortures the
# stock module and ours, and neither tree is patched. gc_realloc's own call of gc_alloc
# stays inside gc.c: a growing block counts once.
FAULTINJECT_WRAP := gc_alloc gc_realloc calloc free
ifeq ($(VARIANT),coverage)
FAULTINJECT_WRAP += m_tracked_calloc m_tracked_free
endif
LDFLAGS_USERMOD += $(FAULTINJECT_WRAP:%=-Wl,--wrap=%)
