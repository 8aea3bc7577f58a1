// Models that come as programs: TorchScript, and packages of AOTInductor.

export { type LoadScriptOptions, loadScript, ScriptModule } from './module.js';
export { ExportedModel, type LoadPackageOptions, loadPackage } from './package.js';
export type { ScriptInput, ScriptOutput } from './values.js';
