// The parts of the bridge, each with the functions that it exports to JavaScript (typed in lib/native.ts).
#pragma once
#include "environment.h"
#include "executor.h"
#include "operators.h"
#include "values.h"

namespace isotorch {

void ExportTensors(Napi::Env env, Napi::Object exports);   // facts of a tensor, scopes, release
void ExportAutograd(Napi::Env env, Napi::Object exports);  // backward, grad, modes
void ExportFunctions(Napi::Env env, Napi::Object exports);  // custom functions and gradient hooks
void ExportCapture(Napi::Env env, Napi::Object exports);   // recordings
void ExportRuns(Napi::Env env, Napi::Object exports);      // recordings on their way to the compute thread
void ExportFeeds(Napi::Env env, Napi::Object exports);     // batches gathered ahead of their use
void ExportFiles(Napi::Env env, Napi::Object exports);     // storages from and to files
void ExportScripts(Napi::Env env, Napi::Object exports);   // TorchScript modules
void ExportPackages(Napi::Env env, Napi::Object exports);  // compiled models (.pt2)
void ExportPrinting(Napi::Env env, Napi::Object exports);  // what a printed tensor shows
void ExportSnapshots(Napi::Env env, Napi::Object exports);  // values as they are at a call, for later
void ExportStorage(Napi::Env env, Napi::Object exports);   // TypedArray in and out
void ExportDevices(Napi::Env env, Napi::Object exports);   // accelerators, seeds, threads, build information

}  // namespace isotorch
