// A plug-in for QEMU that counts the guest's instructions: those of its first processor, the thread that runs the model.
//
//     cc -shared -fPIC -DPLUGIN_VERSION=1 count.c -o count.so;  qemu-aarch64 -plugin count.so program
//
// The count lies in a file of memory called mobilekit-count, which the guest finds among its open files and maps as
// well: so it reads its own count without a call. A block of instructions is counted when it is entered. Distributions
// leave out qemu-plugin.h, so what is used of it is declared here; these functions have kept their form since QEMU 4.2.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct qemu_plugin_tb;
struct qemu_info;
typedef uint64_t qemu_plugin_id_t;
typedef void (*block_translated)(qemu_plugin_id_t id, struct qemu_plugin_tb* block);
typedef void (*block_entered)(unsigned int processor, void* data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, block_translated call);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb* block, block_entered call, int registers, void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* block);

__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_VERSION;

static uint64_t* count;

static void entered(unsigned int processor, void* instructions) {
  if (processor == 0) *count += (uint64_t)(uintptr_t)instructions;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(block, entered, 0, (void*)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

__attribute__((visibility("default"))) int qemu_plugin_install(
    qemu_plugin_id_t id, const struct qemu_info* info, int argc, char** argv) {
  (void)info, (void)argc, (void)argv;
  const int descriptor = memfd_create("mobilekit-count", MFD_CLOEXEC);
  void* page = MAP_FAILED;
  if (descriptor >= 0 && ftruncate(descriptor, sizeof *count) == 0)
    page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (page == MAP_FAILED) {
    perror("mobilekit-count");
    return -1;
  }
  count = page;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
