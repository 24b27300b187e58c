import { provider } from "@pulumi/pulumi";
import { ComponentPackage } from "./component-package.ts";

await provider.main(new ComponentPackage(process.env), process.argv.slice(2));
