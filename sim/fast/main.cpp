// The bench as a shared library: runs the clock until the host has done its work, and writes waves while it traces.

#include "Vbench.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

extern "C" int harness_idle(const void*);
extern "C" int harness_tracing(const void*);

struct Simulation {
    VerilatedContext context;
    Vbench top{&context};
#if VM_TRACE
    VerilatedVcdC waves;
#endif
};

extern "C" {
void* simulation_new() {
    Simulation* s = new Simulation;
    s->context.traceEverOn(VM_TRACE);
    return s;
}
void simulation_delete(void* it) { delete (Simulation*)it; }
void simulation_run(void* it, const void* harness) {
    Simulation& s = *(Simulation*)it;
    while (!harness_idle(harness))
        for (int clk = 1; clk >= 0; clk--) {
            s.top.clk = clk;
            s.top.eval();
            s.context.timeInc(5);
#if VM_TRACE
            if (s.waves.isOpen() && harness_tracing(harness)) s.waves.dump(s.context.time());
#endif
        }
}
#if VM_TRACE
void simulation_waves(void* it, const char* file) {
    Simulation& s = *(Simulation*)it;
    if (!file) { s.waves.close(); return; }
    s.top.trace(&s.waves, 99);
    s.waves.open(file);
}
#endif
}
